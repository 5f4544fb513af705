// Checks of what only device data can show, before anything is written.
#pragma once

#include "shared/index_check.h"

namespace transfusion::cpu {

// Each of `indices` is -1 (none) or in 0..count-1.
inline Status check_indices(const TensorView& indices, i64 count, const char* argument) {
  const i32* values = static_cast<const i32*>(indices.data);
  for (i64 i = 0, n = indices.elements(); i < n; ++i) {
    if (values[i] < -1 || values[i] >= count) return fail_index(argument, i, values[i], count);
  }
  return ok();
}

}  // namespace transfusion::cpu
