// The message of an index that leads nowhere: the CPU makes it as it launches, a device once it is done.
#pragma once

#include "kernel_types.h"

namespace transfusion {

// Indices are -1 (none) or in 0..count-1.
inline Status fail_index(const char* argument, i64 index, i32 value, i64 count) {
  return fail("%s[%lld] must be -1 or in 0..%lld, received %d", argument, static_cast<long long>(index),
              static_cast<long long>(count - 1), value);
}

}  // namespace transfusion
