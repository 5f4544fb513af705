// y [M, N] = a [M, K] b [N, K]^T + bias [N] + addend for M <= 8: decoding. The time goes into reading b,
// once, from memory: a warp takes two rows of it, 16 bytes of each a lane and a step; a comes from the L1
// cache.
//
// A sum is a lane's over every 32nd run of 16 bytes, joined over lanes in a fixed tree: whatever M is.
#include "matmul/product.h"
#ifdef __CUDACC__
#include "device/output.cuh"
#include "device/reduce.cuh"
#else
#include "matmul/matmul_skinny.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 128;
constexpr int kColumnsOfWarp = 2;
constexpr int kColumnsOfBlock = kThreads / 32 * kColumnsOfWarp;

struct MatmulSkinnyArguments {
  const void *a, *b;
  Output output;
  i64 k;
  int m, n;
};

#ifdef __CUDACC__

template <class Y>
__device__ __forceinline__ void store_skinny_sum(const Output& output, int row, int column, float sum) {
  if (output.bias)
    sum += output.bias_is_bf16 ? to_float(static_cast<const bf16*>(output.bias)[column])
                               : to_float(static_cast<const f32*>(output.bias)[column]);
  const i64 at = row * output.stride + column;
  if (output.addend) sum += to_float(static_cast<const Y*>(output.addend)[at]);
  static_cast<Y*>(output.y)[at] = from_float<Y>(sum);
}

// kRows: M or more, for which registers are kept.
template <class T, int kRows>
__device__ __forceinline__ void matmul_skinny(const MatmulSkinnyArguments& arguments) {
  constexpr int kSize = Vector<T>::kSize;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int column = static_cast<int>(blockIdx.x) * kColumnsOfBlock + warp * kColumnsOfWarp;
  if (column >= arguments.n) return;
  const T* a = static_cast<const T*>(arguments.a);
  // The last column stands for one beyond the end.
  const T* b[kColumnsOfWarp];
#pragma unroll
  for (int j = 0; j < kColumnsOfWarp; ++j)
    b[j] = static_cast<const T*>(arguments.b) + min(column + j, arguments.n - 1) * arguments.k;

  float sums[kRows][kColumnsOfWarp] = {};
#pragma unroll 2
  for (i64 k = lane * kSize; k < arguments.k; k += 32 * kSize) {
    Vector<T> b_vectors[kColumnsOfWarp];
#pragma unroll
    for (int j = 0; j < kColumnsOfWarp; ++j) b_vectors[j] = load_vector(b[j] + k);
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      if (row >= arguments.m) break;
      const Vector<T> a_vector = load_vector(a + row * arguments.k + k);
#pragma unroll
      for (int i = 0; i < kSize; ++i)
#pragma unroll
        for (int j = 0; j < kColumnsOfWarp; ++j)
          sums[row][j] += to_float(a_vector.elements[i]) * to_float(b_vectors[j].elements[i]);
    }
  }
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    if (row >= arguments.m) break;
#pragma unroll
    for (int j = 0; j < kColumnsOfWarp; ++j) {
      const float sum = reduce_warp(sums[row][j], Sum{});
      if (lane != 0 || column + j >= arguments.n) continue;
      if (arguments.output.is_bf16)
        store_skinny_sum<bf16>(arguments.output, row, column + j, sum);
      else
        store_skinny_sum<f32>(arguments.output, row, column + j, sum);
    }
  }
}

KERNEL(matmul_skinny_1_f32, MatmulSkinnyArguments, kThreads) { matmul_skinny<f32, 1>(arguments); }
KERNEL(matmul_skinny_2_f32, MatmulSkinnyArguments, kThreads) { matmul_skinny<f32, 2>(arguments); }
KERNEL(matmul_skinny_4_f32, MatmulSkinnyArguments, kThreads) { matmul_skinny<f32, 4>(arguments); }
KERNEL(matmul_skinny_8_f32, MatmulSkinnyArguments, kThreads) { matmul_skinny<f32, 8>(arguments); }
KERNEL(matmul_skinny_1_bf16, MatmulSkinnyArguments, kThreads) { matmul_skinny<bf16, 1>(arguments); }
KERNEL(matmul_skinny_2_bf16, MatmulSkinnyArguments, kThreads) { matmul_skinny<bf16, 2>(arguments); }
KERNEL(matmul_skinny_4_bf16, MatmulSkinnyArguments, kThreads) { matmul_skinny<bf16, 4>(arguments); }
KERNEL(matmul_skinny_8_bf16, MatmulSkinnyArguments, kThreads) { matmul_skinny<bf16, 8>(arguments); }

#else

FLOAT_KERNELS(skinny_1, MatmulSkinnyArguments, "matmul_skinny", "matmul_skinny_1", kThreads)
FLOAT_KERNELS(skinny_2, MatmulSkinnyArguments, "matmul_skinny", "matmul_skinny_2", kThreads)
FLOAT_KERNELS(skinny_4, MatmulSkinnyArguments, "matmul_skinny", "matmul_skinny_4", kThreads)
FLOAT_KERNELS(skinny_8, MatmulSkinnyArguments, "matmul_skinny", "matmul_skinny_8", kThreads)

Status matmul_skinny(Context& context, const DenseProduct& product) {
  const i64 m = product.m;
  const auto& kernel = m == 1   ? skinny_1(product.dtype)
                       : m == 2 ? skinny_2(product.dtype)
                       : m <= 4 ? skinny_4(product.dtype)
                                : skinny_8(product.dtype);
  return launch(
      context, kernel, {ceil_div(product.n, kColumnsOfBlock)},
      {product.a, product.b, product.output, product.k, static_cast<int>(m), static_cast<int>(product.n)});
}

#endif

}  // namespace transfusion::cuda
