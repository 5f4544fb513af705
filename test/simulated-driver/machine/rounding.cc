#include "machine/rounding.h"

namespace simulated {

u16 to_f16(float x) {
  const u32 bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & ~kFloatSign;
  if (magnitude > 0x7f800000) return 0x7fff;
  if (magnitude >= 0x477ff000) return static_cast<u16>(sign | 0x7c00);  // rounds to 65536 or more
  if (magnitude < 0x38800000) {                                         // below 2^-14: units of 2^-24
    const float units = std::nearbyint(float_of(magnitude) * 0x1p24f);
    return static_cast<u16>(sign | static_cast<u32>(units));
  }
  const u32 rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<u16>(sign | ((rounded - 0x38000000) >> 13));
}

float from_f16(u16 bits) {
  const u32 sign = static_cast<u32>(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1f,
            fraction = bits & 0x3ff;
  if (exponent == 0x1f) return float_of(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) return std::copysign(static_cast<float>(fraction) * 0x1p-24f, float_of(sign));
  return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

}  // namespace simulated
