// Elements in memory as float and back; bf16 rounds to nearest even, as on the CPU.
#pragma once

#include "device/instructions.cuh"

namespace transfusion::cuda {

__device__ __forceinline__ float to_float(f32 x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}
__device__ __forceinline__ float to_float(i32 x) { return static_cast<float>(x); }

template <class T>
__device__ __forceinline__ T from_float(float x) {
  if constexpr (sizeof(T) == 2)
    return T{round_to_bf16(x)};
  else
    return x;
}

}  // namespace transfusion::cuda
