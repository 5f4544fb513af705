// y[t] = weight[ids[t]], zeros for an id of -1.  Backward: dweight[ids[t]] += dy[t].
// The work is that of rows.cu, scatter_add.cu and, for quantised weights, quantize.cu. Nothing is kept for
// backward.
#ifndef __CUDACC__
#include "cuda_kernels.h"
#include "quantize.h"
#include "rows/rows.h"

namespace transfusion::cuda {

Status embedding(Context& context, Out y, InAny weight, In ids) {
  if (is_blocks(weight.dtype)) return take_dequantized_rows(context, y, weight, ids, "ids");
  return take_rows(context, y, weight, ids, "ids");
}

Status embedding_backward(Context& context, Acc dweight, In dy, In ids) {
  return dweight.present() ? add_rows(context, dweight, dy, ids, "ids") : ok();
}

}  // namespace transfusion::cuda
#endif
