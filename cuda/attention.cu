// y = softmax(scale q k^T) v, where a query sees one interval of keys.
#include "attention_tiles.h"
#include "kernel.h"
#ifndef __CUDACC__
#include <algorithm>
#include <cmath>
#include <limits>

#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

#ifndef __CUDACC__

Status attention(Context& context, Out y, OutOptional y_lo, Out lse, In q, In k, In v, In key_start,
                 In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionArguments arguments = {
      .shape = attention_shape(q, k, key_start, key_end, query_rows, key_rows),
      .rows = {},
      .y = y.data,
      .y_lo = y_lo.data,
      .lse = lse.as<f32>(),
      .q = q.data,
      .k = k.data,
      .v = v.data,
      // Never zero: a hidden score of -infinity times zero would be NaN.
      .exponent = std::max(std::abs(scale) * 1.4426950408889634f, std::numeric_limits<f32>::min()),
      .negative = scale < 0,
      .aligned = false};
  return attention_simt(context, q.dtype, arguments);
}

#endif

}  // namespace transfusion::cuda
