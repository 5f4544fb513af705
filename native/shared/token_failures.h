// Why a row of logits gives no token: what every backend says of it.
#pragma once

#include <bit>

#include "kernel_types.h"

namespace transfusion {

// In place of an id.
inline constexpr i32 kNotFinite = -1, kNoToken = -2;

inline Status fail_token(i64 row, i32 reason) {
  if (reason == kNotFinite)
    return fail("logits[%lld] must be finite or -infinity, received NaN or infinity",
                static_cast<long long>(row));
  return fail("logits[%lld] must leave a token to sample, received -infinity for all",
              static_cast<long long>(row));
}

// The options of a row, in the order in which they are checked.
enum class TokenOption { temperature, top_k, top_p, min_p };

// `bits` is what was received: an i32 of top_k, else an f32.
inline Status fail_token_option(i64 row, TokenOption option, i32 bits) {
  const auto i = static_cast<long long>(row);
  const f32 received = std::bit_cast<f32>(bits);
  switch (option) {
    case TokenOption::temperature:
      return fail("temperature[%lld] must be finite and at least 0, received %g", i, received);
    case TokenOption::top_k:
      return fail("top_k[%lld] must be at least 0, received %d", i, bits);
    case TokenOption::top_p:
      return fail("top_p[%lld] must be above 0 and at most 1, received %g", i, received);
    default:
      return fail("min_p[%lld] must be in 0..1, received %g", i, received);
  }
}

}  // namespace transfusion
