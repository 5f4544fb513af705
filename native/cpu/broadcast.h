// Broadcasting (see shared/broadcast.h) as runs along the innermost axis.
#pragma once

#include "cpu/runtime/parallel.h"
#include "shared/broadcast.h"

namespace transfusion::cpu {

template <int N>
struct Broadcast : BroadcastLoops<N> {
  using BroadcastLoops<N>::BroadcastLoops, BroadcastLoops<N>::rank, BroadcastLoops<N>::sizes,
      BroadcastLoops<N>::strides;

  i64 inner() const { return sizes[0]; }
  bool repeats(int n) const { return strides[n][0] == 0; }

  // Calls body(position, count, offsets) for runs that cover [begin, end) of the output; offsets[n] is where
  // input n begins.
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
};

}  // namespace transfusion::cpu
