// Single elements of f32 and bf16 memory, with the rounding of simd.h.
#pragma once

#include <cmath>
#include <cstring>

#include "kernel_types.h"

namespace transfusion::cpu {

inline float to_float(float value) { return value; }
inline float to_float(bf16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

inline void store_float(float value, float* p) { *p = value; }
// Rounds to nearest even; a NaN stays a NaN.
inline void store_float(float value, bf16* p) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = std::isnan(value) ? bits | 0x400000 : bits + 0x7fff + ((bits >> 16) & 1);
  p->bits = static_cast<uint16_t>(bits >> 16);
}

}  // namespace transfusion::cpu
