// Rows of x by the rows of y that they belong to: what scatter_add.cu walks along and sort_rows.cu makes.
#pragma once

#include "kernel.h"
#ifndef __CUDACC__
#include "host/launch.h"
#endif

namespace transfusion::cuda {

// Sorted by keys, rows of y; of one key the sources, rows of x, are in order. R as a key stands for no row. A
// bad row counts as the first one of y, and its source i is given as -1 - i: NaN is to be added for it.
struct RowList {
  i32 *keys, *sources;
};

#ifndef __CUDACC__
// Makes the list of rows [N], each -1 or in 0..R-1, in scratch.
Status sort_rows(Context& context, RowList& list, const TensorView& rows, i64 R, Failures failures);
#endif

}  // namespace transfusion::cuda
