// Products of dense matrices, for matmul and what comes down to it.
#pragma once

#include "host/launch.h"
#include "matmul/product.h"
#include "units.h"

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
  // Bytes, 16, 4 or 2, of which all rows of a and b are whole runs, at addresses that are multiples.
  i64 unit() const {
    const i64 size = static_cast<i64>(dtype_size(dtype));
    return unit_bytes({a, b}, {a_stride() * size, b_stride() * size});
  }
  bool is_aligned() const { return unit() == 16; }
};

// Of matrices that lie one after the other.
Output dense_output(void* y, DType dtype, i64 m, i64 n);
// The same row of biases for each of y's.
void add_bias(Output& output, const void* bias, DType dtype, i64 m, i64 n);

// In tiles, of which a row of y is the same whatever rows are beside it; or by cuBLASLt, where the command's
// choices say so (product_ways.h), of which it may not be.
Status launch_product(Context& context, const DenseProduct& product);

}  // namespace transfusion::cuda
