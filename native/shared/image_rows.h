// What may be wrong with image_rows [N + 1], which cut all rows into images: they begin with 0, never
// decrease and end with the number of rows. The first of these that does not hold is named.
#pragma once

#include "kernel_types.h"

namespace transfusion {

inline Status fail_first_image_row(i32 received) {
  return fail("image_rows[0] must be 0, received %d", received);
}

inline Status fail_image_row(i64 i, i32 before, i32 received) {
  return fail("image_rows[%lld] must be at least the %d before it, received %d", static_cast<long long>(i),
              before, received);
}

inline Status fail_last_image_row(i64 i, i64 rows, i32 received) {
  return fail("image_rows[%lld] must be the number of rows, %lld, received %d", static_cast<long long>(i),
              static_cast<long long>(rows), received);
}

}  // namespace transfusion
