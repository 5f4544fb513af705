// NumPy's broadcasting as loops: each of N inputs is read over the output's shape, with stride 0 along the
// axes in which it is repeated. Axes of size 1 are dropped and neighbours joined where every input allows it,
// so that equal shapes are one long run and a row added to a matrix is two axes.
#pragma once

#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

template <int N>
struct Broadcast {
  int rank = 0;
  i64 sizes[kMaxRank + 1] = {};
  i64 strides[N][kMaxRank + 1] = {};

  Broadcast(const TensorView& output, const TensorView* const (&inputs)[N]) {
    i64 steps[N];
    std::fill_n(steps, N, 1);
    for (int back = 1; back <= output.rank; ++back) {
      const i64 size = output.dim(-back);
      i64 axis_strides[N];
      for (int n = 0; n < N; ++n) {
        const i64 own = back <= inputs[n]->rank ? inputs[n]->dim(-back) : 1;
        axis_strides[n] = own == 1 ? 0 : steps[n];
        steps[n] *= own;
      }
      if (size != 1) push(size, axis_strides);
    }
    if (rank == 0) {
      i64 ones[N];
      std::fill_n(ones, N, 1);
      push(1, ones);
    }
  }

  // Axis 0 is the innermost.
  i64 inner() const { return sizes[0]; }
  bool repeats(int n) const { return strides[n][0] == 0; }

  // Calls body(position, count, offsets) for runs along the innermost axis that cover [begin, end) of the
  // output; offsets[n] is where input n begins.
  template <class Body>
  void runs(i64 begin, i64 end, const Body& body) const {
    while (begin < end) {
      const i64 column = begin % inner(), count = std::min(inner() - column, end - begin);
      i64 offsets[N], rest = begin / inner();
      for (int n = 0; n < N; ++n) offsets[n] = column * strides[n][0];
      for (int axis = 1; axis < rank; ++axis) {
        const i64 index = rest % sizes[axis];
        rest /= sizes[axis];
        for (int n = 0; n < N; ++n) offsets[n] += index * strides[n][axis];
      }
      body(begin, count, offsets);
      begin += count;
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

}  // namespace transfusion::cpu
