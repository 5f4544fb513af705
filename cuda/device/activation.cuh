// The activation of silu, swiglu and of norms that end with one.
#pragma once

#include <type_traits>

#include "device/instructions.cuh"

namespace transfusion::cuda {

// 1 / (1 + exp(-x)), good to 4 units in the last place.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }

// Good enough for results that are rounded to T.
template <class T>
__device__ __forceinline__ float sigmoid_for(float x) {
  if constexpr (std::is_same_v<T, bf16>)
    return __fdividef(1.0f, 1.0f + fast_exp2(-1.44269504f * x));
  else
    return sigmoid(x);
}

// The derivative of x s with s = sigmoid(x).
__device__ __forceinline__ float silu_slope(float x, float s) { return s * fmaf(x, 1.0f - s, 1.0f); }

}  // namespace transfusion::cuda
