#!/bin/sh
# nvcc 13.5.37 (PyPI nvidia-cuda-nvcc): of float2 values that an unrolled loop stores into dynamic shared memory at one base plus
# constants, each by a cast pointer of its own alignment, the first becomes two stores of 4 bytes in the PTX; the other 15 are
# st.shared.v2.f32. The two conflict for banks where one of 8 bytes would not, as a profiler counts it: 2% more turns in the
# epilogue of a matrix product. With inline assembly for the store all 16 are whole. Exits with 0 while that is so. Needs Python 3
# with venv, g++ (nvcc's preprocessor), and the network for pip. No GPU.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
  nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6
bin=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia/cu13/bin)
cd "$folder"
cat > kernel.cu <<'CUDA'
extern __shared__ float tile[];

// As the sums of mma.sync lie: 8 columns of 4 lanes, two values each, rows 68 apart.
extern "C" __global__ void transpose(float* y, const float* x) {
  const int lane = threadIdx.x % 32;
  float sums[8][4];
  for (int j = 0; j < 8; ++j)
    for (int i = 0; i < 4; ++i) sums[j][i] = x[(j * 4 + i) * 256 + threadIdx.x];
  float* part = tile + threadIdx.x / 32 * 16 * 68;
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      float* target = part + (half * 8 + lane / 4) * 68 + j * 8 + lane % 4 * 2;
#ifdef ASSEMBLY
      asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"((unsigned)__cvta_generic_to_shared(target)),
                   "f"(sums[j][2 * half]), "f"(sums[j][2 * half + 1])
                   : "memory");
#else
      *reinterpret_cast<float2*>(target) = make_float2(sums[j][2 * half], sums[j][2 * half + 1]);
#endif
    }
  __syncwarp();
  for (int i = lane; i < 16 * 64; i += 32) y[i] = part[i];
}
CUDA
count() { # FILE PATTERN
  grep -c "$2" "$1" || true
}
"$bin/nvcc" --version | tail -2 | head -1
"$bin/nvcc" -O3 -arch=compute_80 -ptx kernel.cu -o plain.ptx
"$bin/nvcc" -O3 -arch=compute_80 -ptx -DASSEMBLY kernel.cu -o assembly.ptx
for file in plain assembly; do
  echo "$file: $(count $file.ptx 'st\.shared\.v2\.f32') stores of 8 bytes, $(count $file.ptx 'st\.shared\.f32') of 4"
done
[ "$(count plain.ptx 'st\.shared\.v2\.f32')" = 15 ]
[ "$(count plain.ptx 'st\.shared\.f32')" = 2 ]
[ "$(count assembly.ptx 'st\.shared\.v2\.f32')" = 16 ]
[ "$(count assembly.ptx 'st\.shared\.f32')" = 0 ]
