// A matrix product as kernels see it, dense (matmul.cu) or gathered from images (conv2d.cu):
//   y [M, N] = a [M, K] b [K, N] + bias [N] + addend [M, N], a batch of them.
// y is cut into tiles, a block for each; where those are few and K is long, K is cut too (split_k.h).
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

// A matrix in memory, [rows, stride], and the elements from one of a batch to the next. Of which of M, N and
// K the rows are the kernel knows.
struct Operand {
  const void* data;
  i64 stride, batch_stride;
};

// What becomes of the sums. y and addend are alike, and may be the same; either or both of bias and addend
// may be null.
struct Output {
  void* y;
  const void* bias;
  const void* addend;
  i64 stride, batch_stride;  // of y and addend
  i64 split_stride;          // of y, where K is split
  i64 bias_stride, bias_batch_stride;
  int rows_of_bias;  // of y, which add the same row of bias
  bool is_bf16, bias_is_bf16;
  bool vectors;       // whole 16 bytes of y, and addend, at addresses that are multiples of 16
  bool bias_vectors;  // the same of bias, which is of y's type
};

// How the blocks of a grid share the work: block = (split * batch + matrix) * tiles + tile.
struct Partition {
  int m, n;
  i64 k, split_depth;  // K of a split: a multiple of any tile's
  int tiles_m, tiles_n, batch;
};

}  // namespace transfusion::cuda
