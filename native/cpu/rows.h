// Gathering and adding rows of a tensor [R, ...] by index, for rows.cc and embedding.cc. An index is -1 (no
// row) or in 0..R-1; else the status names `argument` and nothing is written.
#pragma once

#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

// y[i] = x[rows[i]], zeros for -1.
Status take_rows(const TensorView& y, const TensorView& x, const TensorView& rows, const char* argument);

// y[rows[i]] += x[i] in order of i, nothing for -1; a row of y is rounded once, after all that is added to
// it.
Status add_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                const char* argument);

}  // namespace transfusion::cpu
