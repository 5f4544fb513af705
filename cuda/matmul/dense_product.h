// Products of dense matrices, for matmul and what comes down to it.
#pragma once

#include "host/launch.h"
#include "matmul/product.h"

namespace transfusion::cuda {

// y [batch, m, n] = a [batch, m, k] b [batch, k, n], as output says; transposed matrices lie [k, m] and [n,
// k].
struct DenseProduct {
  DType dtype;  // of a and b
  const void *a, *b;
  i64 batch, m, n, k;
  bool transpose_a, transpose_b;
  Output output;

  i64 a_stride() const { return transpose_a ? m : k; }
  i64 b_stride() const { return transpose_b ? k : n; }
  // Whether all rows of a and b are whole runs of 16 bytes, at addresses that are multiples of 16.
  bool is_aligned() const {
    const i64 run = 16 / static_cast<i64>(dtype_size(dtype));
    return aligned({a, b}) && a_stride() % run == 0 && b_stride() % run == 0;
  }
};

// In tiles: a row of y is the same whatever rows are beside it.
Status launch_product(Context& context, const DenseProduct& product);

}  // namespace transfusion::cuda
