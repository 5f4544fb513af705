// NumPy's broadcasting as loops: each of N inputs is read over the output's shape, with stride 0 along the
// axes in which it is repeated. Axes of size 1 are dropped and neighbours joined where every input allows it,
// so that equal shapes are one long run and a row added to a matrix is two axes. Axis 0 is the innermost.
#pragma once

#include "kernel_types.h"

namespace transfusion {

template <int N>
struct BroadcastLoops {
  int rank = 0;
  i64 sizes[kMaxRank] = {};
  i64 strides[N][kMaxRank] = {};

  BroadcastLoops(const TensorView& output, const TensorView* const (&inputs)[N]) {
    i64 steps[N];
    for (i64& step : steps) step = 1;
    for (int back = 1; back <= output.rank; ++back) {
      i64 axis_strides[N];
      for (int n = 0; n < N; ++n) {
        const i64 own = back <= inputs[n]->rank ? inputs[n]->dim(-back) : 1;
        axis_strides[n] = own == 1 ? 0 : steps[n];
        steps[n] *= own;
      }
      if (output.dim(-back) != 1) push(output.dim(-back), axis_strides);
    }
    if (rank == 0) {
      sizes[0] = 1;
      for (auto& of_input : strides) of_input[0] = 1;
      rank = 1;
    }
  }

 private:
  void push(i64 size, const i64 (&axis_strides)[N]) {
    bool joins = rank > 0;
    for (int n = 0; n < N && joins; ++n) joins = axis_strides[n] == strides[n][rank - 1] * sizes[rank - 1];
    if (joins) {
      sizes[rank - 1] *= size;
      return;
    }
    sizes[rank] = size;
    for (int n = 0; n < N; ++n) strides[n][rank] = axis_strides[n];
    ++rank;
  }
};

}  // namespace transfusion
