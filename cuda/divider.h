// Division by a number that the host knows: a multiplication and a shift where numerators have 31 bits.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

struct Divider {
  i64 divisor = 1;
  uint32_t multiplier = 0, shift = 0;
  bool narrow = false;

  Divider() = default;

  // Numerators are at least 0 and below `bound`. floor(n / d) = (floor(n m / 2^32) + n) / 2^s with 2^s >= d >
  // 2^(s - 1) and m = floor(2^32 (2^s - d) / d) + 1 (Granlund and Montgomery, "Division by invariant integers
  // using multiplication", 1994).
  Divider(i64 by, i64 bound) : divisor(by), narrow(bound <= i64{1} << 31 && by <= i64{1} << 31) {
    if (!narrow) return;
    while (i64{1} << shift < divisor) ++shift;
    const u64 d = static_cast<u64>(divisor);
    multiplier = static_cast<uint32_t>((((u64{1} << shift) - d) << 32) / d + 1);
  }

#ifdef __CUDACC__
  // Returns the quotient; `n` becomes the remainder.
  __device__ __forceinline__ i64 divide(i64& n) const {
    if (narrow) {
      const uint32_t numerator = static_cast<uint32_t>(n);
      const uint32_t quotient = (__umulhi(numerator, multiplier) + numerator) >> shift;
      n = numerator - quotient * static_cast<uint32_t>(divisor);
      return quotient;
    }
    const i64 quotient = n / divisor;
    n -= quotient * divisor;
    return quotient;
  }
#endif
};

}  // namespace transfusion::cuda
