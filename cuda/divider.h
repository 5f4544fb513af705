// Division by a number that the host knows: a multiplication and a shift where numerators have 31 bits.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

// Both numbers are at most 2^31, numerators below. floor(n / d) = (floor(n m / 2^32) + n) / 2^s with 2^s >= d
// > 2^(s - 1) and m = floor(2^32 (2^s - d) / d) + 1 (Granlund and Montgomery, "Division by invariant integers
// using multiplication", 1994).
struct NarrowDivider {
  uint32_t divisor = 1, multiplier = 0, shift = 0;

  NarrowDivider() = default;

  explicit NarrowDivider(i64 by) : divisor(static_cast<uint32_t>(by)) {
    while (i64{1} << shift < by) ++shift;
    const u64 d = divisor;
    multiplier = static_cast<uint32_t>((((u64{1} << shift) - d) << 32) / d + 1);
  }

#ifdef __CUDACC__
  // Returns the quotient; `n` becomes the remainder.
  __device__ __forceinline__ uint32_t divide(uint32_t& n) const {
    const uint32_t quotient = (__umulhi(n, multiplier) + n) >> shift;
    n -= quotient * divisor;
    return quotient;
  }
#endif
};

struct Divider {
  i64 divisor = 1;
  NarrowDivider narrow_divider;
  bool narrow = false;

  Divider() = default;

  // Numerators are at least 0 and below `bound`. Of axes without elements nothing is divided.
  Divider(i64 by, i64 bound)
      : divisor(by > 0 ? by : 1), narrow(bound <= i64{1} << 31 && divisor <= i64{1} << 31) {
    if (narrow) narrow_divider = NarrowDivider(divisor);
  }

#ifdef __CUDACC__
  // Returns the quotient; `n` becomes the remainder.
  __device__ __forceinline__ i64 divide(i64& n) const {
    if (narrow) {
      uint32_t remainder = static_cast<uint32_t>(n);
      const uint32_t quotient = narrow_divider.divide(remainder);
      n = remainder;
      return quotient;
    }
    const i64 quotient = n / divisor;
    n -= quotient * divisor;
    return quotient;
  }
#endif
};

}  // namespace transfusion::cuda
