// Floats of 16 bits, and the roundings of PTX.
#pragma once

#include <bit>
#include <cmath>

#include "ptx/types.h"

namespace simulated {

// Bits, for table entries of the same shape as those of integers.
inline u32 bits_of(float x) { return std::bit_cast<u32>(x); }
inline float float_of(u32 bits) { return std::bit_cast<float>(bits); }

inline constexpr u32 kFloatSign = 0x80000000;

// .ftz
inline float flushed(float x) {
  return (bits_of(x) & 0x7f800000) == 0 ? float_of(bits_of(x) & kFloatSign) : x;
}
template <bool kFlush>
float maybe_flushed(float x) {
  return kFlush ? flushed(x) : x;
}
// .sat: NaN becomes 0.
template <class T>
T saturated(T x) {
  return x > 0 ? (x < 1 ? x : T{1}) : T{0};
}

// Nearest even; every NaN becomes 0x7fff.
inline u16 to_bf16(float x) {
  const u32 bits = bits_of(x);
  const u32 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<u16>(x != x ? 0x7fff : rounded);
}
inline u16 to_bf16_toward_zero(float x) { return static_cast<u16>(x != x ? 0x7fff : bits_of(x) >> 16); }
inline float from_bf16(u16 bits) { return float_of(static_cast<u32>(bits) << 16); }

u16 to_f16(float x);  // nearest even
float from_f16(u16 bits);

// The neighbours of x.
inline float next_up(float x) { return std::nextafter(x, INFINITY); }
inline float next_down(float x) { return std::nextafter(x, -INFINITY); }

enum class Rounding : u8 { nearest, zero, down, up };

// A value of a wider type as a float; `exact` may be off by less than half of its last place.
template <Rounding kRounding, class Exact = double>
float rounded(Exact exact) {
  const float nearest = static_cast<float>(exact);
  if constexpr (kRounding == Rounding::nearest) return nearest;
  const Exact error = exact - static_cast<Exact>(nearest);
  const bool down = kRounding == Rounding::down || (kRounding == Rounding::zero && exact > 0);
  const bool up = kRounding == Rounding::up || (kRounding == Rounding::zero && exact < 0);
  if (down && error < 0) return next_down(nearest);
  if (up && error > 0) return next_up(nearest);
  return nearest;
}

}  // namespace simulated
