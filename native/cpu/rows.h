// Whole rows of x [R, ...] taken or given by number: what rows.cc and embedding.cc share. A number is -1 (no
// row) or in 0..R-1; else the status names `argument` and nothing is written.
#pragma once

#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

// y[i] = x[rows[i]], zeros for -1.
Status take_rows(const TensorView& y, const TensorView& x, const TensorView& rows, const char* argument);

// y[rows[i]] += x[i] in order of i, none for -1; each row of y is rounded once.
Status add_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                const char* argument);

}  // namespace transfusion::cpu
