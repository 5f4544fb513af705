#!/bin/sh
# ptxas 13.5.37 (PyPI nvidia-cuda-nvcc, sm_80 and sm_90): a kernel with __launch_bounds__(256) whose values do not fit into 255
# registers is compiled for 32 registers, and spills three times what it has to; with __launch_bounds__(256, 1), which asks for no
# more than one block on a multiprocessor, as the other form implies, it has 255. Kernels that keep large tiles in registers
# (attention, products) fall off this cliff when they grow by a few values; one that fits has about the same in both forms.
# Exits with 0 while that is so. Needs Python 3 with venv, g++ (nvcc's preprocessor), and the network for pip. No GPU.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
  nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6
bin=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia/cu13/bin)
cd "$folder"
cat > write_kernels.py <<'PYTHON'
# Kernels that keep `count` values in registers over a loop.
def kernel(name, bounds, count):
    values = range(count)
    lines = [f'extern "C" __global__ void {bounds} {name}(float* y, const float* x, const float* w, int steps) {{']
    lines += [f"  float a{i} = x[threadIdx.x + {i} * 256];" for i in values]
    lines += ["  for (int k = 0; k < steps; ++k) {"]
    lines += [f"    a{i} = a{i} * w[k + {i}] + a{(7 * i + 1) % count};" for i in values]
    lines += ["  }"]
    lines += [f"  y[threadIdx.x + {i} * 256] = a{i};" for i in values]
    return "\n".join([*lines, "}\n"])

with open("kernels.cu", "w") as file:
    for size, count in ("small", 40), ("large", 150):
        file.write(kernel(f"{size}_without", "__launch_bounds__(256)", count))
        file.write(kernel(f"{size}_with", "__launch_bounds__(256, 1)", count))
PYTHON
python3 write_kernels.py
"$bin/nvcc" -arch=compute_80 -ptx kernels.cu -o kernels.ptx
cat > compare.py <<'PYTHON'
import re, sys
registers, spilled = {}, {}
for part in open(sys.argv[1]).read().split("Compiling entry function '")[1:]:
    name = part[: part.index("'")]
    registers[name] = int(re.search(r"Used (\d+) registers", part)[1])
    spilled[name] = int(re.search(r"(\d+) bytes spill stores", part)[1])
    print(f"  {name}: {registers[name]} registers, {spilled[name]} bytes of spill stores")
assert registers["large_without"] == 32 and registers["large_with"] == 255
assert spilled["large_without"] > 2 * spilled["large_with"] > 0
assert spilled["small_without"] == spilled["small_with"] == 0 and registers["small_without"] > 64
PYTHON
"$bin/ptxas" --version | tail -2 | head -1
for architecture in 80 90; do
  "$bin/ptxas" -arch=sm_$architecture -v kernels.ptx -o kernels.cubin 2> log
  echo "sm_$architecture:"
  python3 compare.py log
done
