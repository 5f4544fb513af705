// Copies of memory whatever its elements are: in units of 16 bytes where sizes, strides and addresses are
// multiples of those, else of 4 or 2.
#pragma once

#include "kernel.h"
#ifndef __CUDACC__
#include <initializer_list>

#include "host/launch.h"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

struct alignas(16) Unit16 {
  uint32_t words[4];
};
using Unit4 = uint32_t;
using Unit2 = uint16_t;

// A unit of equal elements: `word` is one of 4 bytes or two of 2.
template <class Unit>
__device__ __forceinline__ Unit repeat_word(uint32_t word) {
  if constexpr (sizeof(Unit) == 16)
    return {{word, word, word, word}};
  else
    return static_cast<Unit>(word);
}

#else

inline i64 unit_bytes(std::initializer_list<const void*> addresses, std::initializer_list<i64> sizes) {
  u64 bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<uintptr_t>(address);
  for (i64 size : sizes) bits |= static_cast<u64>(size);
  const u64 lowest = bits & -bits;
  return lowest >= 16 ? 16 : lowest >= 4 ? 4 : 2;
}

// NAME_16, NAME_4 and NAME_2, by the bytes of a unit.
#define UNIT_KERNELS(variable, Arguments, image, name, threads)                  \
  constexpr Kernel<Arguments> variable##_16(image, name "_16", threads);         \
  constexpr Kernel<Arguments> variable##_4(image, name "_4", threads);           \
  constexpr Kernel<Arguments> variable##_2(image, name "_2", threads);           \
  static const Kernel<Arguments>& variable(i64 unit) {                           \
    return unit == 16 ? variable##_16 : unit == 4 ? variable##_4 : variable##_2; \
  }

// What a kernel writes where it was given what it must not read: NaN, of integers -1. For repeat_word.
inline uint32_t poison(DType dtype) {
  return dtype == DType::bf16 ? 0x7fc07fc0u : dtype == DType::f32 ? 0x7fc00000u : ~0u;
}

#endif

}  // namespace transfusion::cuda
