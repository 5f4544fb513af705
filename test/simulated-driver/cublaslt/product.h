// What the simulated cuBLASLt launches.
#pragma once

#include "kernel.h"

namespace simulated {

using transfusion::i64;

constexpr int kThreads = 256;

// d [m, n] = op(a) [m, k] op(b) [k, n] + bias [m] + beta c, column-major, for each of a batch.
struct ProductArguments {
  const void *a, *b, *bias, *c;
  void* d;
  float* sums;  // [splits, batch, m n] where K is split, which another kernel adds up; else null
  i64 m, n, k, split_depth;
  i64 a_stride, b_stride, d_stride, a_batch, b_batch, d_batch;
  float beta;
  int batch, splits;
  bool a_transposed, b_transposed, is_bf16;  // d, c and bias
  bool backwards;                            // K from its end
};

}  // namespace simulated
