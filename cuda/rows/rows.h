// Gathering and adding rows of a tensor [R, ...] by index, for rows.cu and embedding.cu. An index is -1 (no
// row) or in 0..R-1; else the failure names `argument`.
#pragma once

#include "host/launch.h"

namespace transfusion::cuda {

// y[i] = x[rows[i]], zeros for -1.
Status take_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                 const char* argument);

// y[rows[i]] += x[i] in order of i, nothing for -1; a row of y is rounded once, after all that is added to
// it.
Status add_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                const char* argument);

// Elements of a row: of all axes but the first.
inline i64 row_elements(const TensorView& x) {
  i64 count = 1;
  for (int axis = 1; axis < x.rank; ++axis) count *= x.shape[axis];
  return count;
}

}  // namespace transfusion::cuda
