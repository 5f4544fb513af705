// Sums, maxima and running sums over warps and blocks, in an order that depends on nothing but the number of
// threads.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

inline constexpr int kWarp = 32;

struct Sum {
  static constexpr float kNeutral = 0;
  template <class V>
  __device__ __forceinline__ V operator()(V a, V b) const {
    return a + b;
  }
};
struct Max {
  static constexpr float kNeutral = -INFINITY;
  // Unlike fmaxf: NaN stays.
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

// For every lane of a whole warp.
template <class V, class Op>
__device__ __forceinline__ V reduce_warp(V value, Op op) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = op(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

// Each of the values for every thread of a block of kThreads, all of which call it. Ends with a barrier.
template <int kThreads, int kValues, class V, class Op>
__device__ __forceinline__ void reduce_block(V (&values)[kValues], Op op) {
  static_assert(kThreads % kWarp == 0 && kThreads <= kWarp * kWarp);
  constexpr int kWarps = kThreads / kWarp;
#pragma unroll
  for (V& value : values) value = reduce_warp(value, op);
  if constexpr (kWarps > 1) {
    __shared__ V of_warps[kValues][kWarps];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    if (lane == 0) {
#pragma unroll
      for (int i = 0; i < kValues; ++i) of_warps[i][warp] = values[i];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kValues; ++i)
      values[i] = reduce_warp(lane < kWarps ? of_warps[i][lane] : static_cast<V>(Op::kNeutral), op);
    __syncthreads();
  }
}

template <int kThreads, class V, class Op>
__device__ __forceinline__ V reduce_block(V value, Op op) {
  V values[1] = {value};
  reduce_block<kThreads>(values, op);
  return values[0];
}

// The sums of this lane's value and those of all lanes before it.
template <class V>
__device__ __forceinline__ V scan_warp(V value) {
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const V before = __shfl_up_sync(~0u, value, distance);
    if (lane >= distance) value += before;
  }
  return value;
}

// Of the values of all threads of a block: the sum of those before this one, and of all.
template <class V>
struct Scan {
  V before, total;
};

// For a block of kThreads, all of which call it. Ends with a barrier.
template <int kThreads, class V>
__device__ __forceinline__ Scan<V> scan_block(V value) {
  static_assert(kThreads % kWarp == 0 && kThreads <= kWarp * kWarp);
  constexpr int kWarps = kThreads / kWarp;
  const V sum = scan_warp(value);
  if constexpr (kWarps == 1) {
    return {sum - value, __shfl_sync(~0u, sum, kWarp - 1)};
  } else {
    __shared__ V of_warps[kWarps];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    if (lane == kWarp - 1) of_warps[warp] = sum;
    __syncthreads();
    const V sums = scan_warp(lane < kWarps ? of_warps[lane] : V{});
    const V before_warp = __shfl_sync(~0u, sums, warp == 0 ? 0 : warp - 1);
    const V total = __shfl_sync(~0u, sums, kWarp - 1);
    __syncthreads();
    return {(warp == 0 ? V{} : before_warp) + sum - value, total};
  }
}

}  // namespace transfusion::cuda
