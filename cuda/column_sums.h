// Sums over rows, for gradients of what all rows share.
#pragma once

#include "kernel_types.h"

namespace transfusion::cuda {

// The most blocks that a kernel sums rows of gradients in: enough for any GPU, few enough for their sums to
// be little beside the rows.
inline constexpr i64 kGradientBlocks = 512;

// target [columns] += the sum of the rows of x [rows, columns]. In two stages, cut by the shape alone: chunks
// of rows, then the chunks' sums in their order.
Status add_column_sums(Context& context, float* target, const void* x, DType dtype, i64 rows, i64 columns);

}  // namespace transfusion::cuda
