#!/bin/sh
# nvcc 13.5.37 (PyPI nvidia-cuda-nvcc, C++17 and C++20, with and without optimization): in device code an array of arrays of a
# struct whose members have default initializers is only initialized in its first inner array; in all others the members are 0.
# "struct Row { float m = -1; }; Row rows[2][2];" stores -1, -1, 0, 0, and so it does with "= {}". C++ wants -1 four times, which
# g++ gives. An array of one dimension, a struct around the inner array, and a constructor that is written out are right. A running
# maximum that begins at minus infinity for two rows of a tile begins at 0 for the second one.
# Exits with 0 while that is so. Needs Python 3 with venv, g++, and the network for pip. No GPU: it reads the PTX.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
  nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6
nvcc=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc)
cd "$folder"
cat > device.cu <<'CUDA'
struct Row { float m = -1; };
struct Rows { Row row[2]; };
struct Written { float m; __device__ Written() : m(-1) {} };
extern "C" __global__ void nested(float* out) {
  Row rows[2][2];
  out[0] = rows[0][0].m, out[1] = rows[0][1].m, out[2] = rows[1][0].m, out[3] = rows[1][1].m;
}
extern "C" __global__ void braces(float* out) {
  Row rows[2][2] = {};
  out[0] = rows[0][0].m, out[1] = rows[0][1].m, out[2] = rows[1][0].m, out[3] = rows[1][1].m;
}
extern "C" __global__ void flat(float* out) {
  Row rows[4];
  out[0] = rows[0].m, out[1] = rows[1].m, out[2] = rows[2].m, out[3] = rows[3].m;
}
extern "C" __global__ void wrapped(float* out) {
  Rows rows[2];
  out[0] = rows[0].row[0].m, out[1] = rows[0].row[1].m, out[2] = rows[1].row[0].m, out[3] = rows[1].row[1].m;
}
extern "C" __global__ void written(float* out) {
  Written rows[2][2];
  out[0] = rows[0][0].m, out[1] = rows[0][1].m, out[2] = rows[1][0].m, out[3] = rows[1][1].m;
}
CUDA
cat > host.cc <<'CPP'
#include <cstdio>
struct Row { float m = -1; };
int main() {
  Row rows[2][2];
  std::printf("%g %g %g %g\n", rows[0][0].m, rows[0][1].m, rows[1][0].m, rows[1][1].m);
}
CPP
g++ -std=c++17 host.cc -o host
echo "g++: $(./host)"
test "$(./host)" = "-1 -1 -1 -1"
cat > stores.py <<'PYTHON'
# What each kernel of a PTX file stores, where that is a constant.
import re, struct, sys
for body in re.split(r"\.entry ", open(sys.argv[1]).read())[1:]:
    values, stored = {}, []
    for line in body.splitlines():
        if move := re.match(r"\s*mov\.[fbu]32\s+(%\w+), (0f\w{8}|-?\d+);", line):
            text = move[2]
            bits = int(text[2:], 16) if text.startswith("0f") else int(text) & 0xFFFFFFFF
            values[move[1]] = struct.unpack("f", struct.pack("I", bits))[0]
        if store := re.match(r"\s*st\.global\.[fbu]32\s+\[%\w+\+?\d*\], (%\w+);", line):
            stored.append("%g" % values[store[1]])
    print(re.match(r"\w+", body)[0], *stored)
PYTHON
"$nvcc" --version | tail -2 | head -1
for standard in c++17 c++20; do
  "$nvcc" -std=$standard -arch=compute_80 -ptx device.cu -o device.ptx
  python3 stores.py device.ptx | sort > found
  echo "$standard:" && cat found
  cat > expected <<'TEXT'
braces -1 -1 0 0
flat -1 -1 -1 -1
nested -1 -1 0 0
wrapped -1 -1 -1 -1
written -1 -1 -1 -1
TEXT
  cmp found expected
done
