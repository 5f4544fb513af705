// Sums and maxima over warps and blocks, in an order that depends on nothing but the number of threads.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

inline constexpr int kWarp = 32;

struct Sum {
  static constexpr float kNeutral = 0;
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
};
struct Max {
  static constexpr float kNeutral = -INFINITY;
  // Unlike fmaxf: NaN stays.
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

// For every lane of a whole warp.
template <class Op>
__device__ __forceinline__ float reduce_warp(float value, Op op) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = op(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

// For every thread of a block of kThreads, all of which call it. Begins and ends with a barrier.
template <int kThreads, class Op>
__device__ __forceinline__ float reduce_block(float value, Op op) {
  static_assert(kThreads % kWarp == 0 && kThreads <= kWarp * kWarp);
  constexpr int kWarps = kThreads / kWarp;
  __shared__ float of_warps[kWarps];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  value = reduce_warp(value, op);
  __syncthreads();
  if (lane == 0) of_warps[warp] = value;
  __syncthreads();
  value = reduce_warp(lane < kWarps ? of_warps[lane] : Op::kNeutral, op);
  __syncthreads();
  return value;
}

}  // namespace transfusion::cuda
