// y[t] = weight[ids[t]], zeros for an id of -1.  Backward: dweight[ids[t]] += dy[t].
// The work is that of rows.cc, and of quantize.cc where the weight is quantised. Nothing is kept for
// backward.
#include "cpu/cpu.h"
#include "cpu/quantize.h"
#include "cpu/rows.h"

namespace transfusion::cpu {

Status embedding(Context&, Out y, InAny weight, In ids) {
  if (is_blocks(weight.dtype)) return take_dequantized_rows(y, weight, ids, "ids");
  return take_rows(y, weight, ids, "ids");
}

Status embedding_backward(Context& context, Acc dweight, In dy, In ids) {
  return dweight.present() ? add_rows(context, dweight, dy, ids, "ids") : ok();
}

}  // namespace transfusion::cpu
