// What attention says of sequences and intervals that are not as it needs them, on every device.
#pragma once

#include "kernel_types.h"

namespace transfusion {

enum class SpanArgument { query_rows, key_rows, key_end, key_start };

inline Status span_out_of_range(SpanArgument argument, i64 index, i32 value, i64 min, i64 max) {
  constexpr const char* kNames[] = {"query_rows", "key_rows", "key_end", "key_start"};
  return fail("%s[%lld] must be in %lld..%lld, received %d", kNames[static_cast<int>(argument)],
              static_cast<long long>(index), static_cast<long long>(min), static_cast<long long>(max), value);
}

}  // namespace transfusion
