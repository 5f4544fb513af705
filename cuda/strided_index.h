// Loops over axes with strides, on the GPU: the index of an element of the loops, axis 0 innermost, is taken
// apart by division. Broadcasting reads each of N inputs so over the output's shape (see shared/broadcast.h).
#pragma once

#include "divider.h"
#include "shared/broadcast.h"

namespace transfusion::cuda {

template <int N>
struct StridedIndex {
  int rank = 0;
  Divider sizes[kMaxRank];
  i64 strides[N][kMaxRank];

#ifdef __CUDACC__
  __device__ __forceinline__ void offsets(i64 index, i64 (&result)[N]) const {
    if (rank == 1) {
#pragma unroll
      for (int n = 0; n < N; ++n) result[n] = index * strides[n][0];
      return;
    }
#pragma unroll
    for (int n = 0; n < N; ++n) result[n] = 0;
#pragma unroll 1
    for (int axis = 0; axis < rank; ++axis) {
      i64 of_axis = index;
      index = axis + 1 < rank ? sizes[axis].divide(of_axis) : 0;
#pragma unroll
      for (int n = 0; n < N; ++n) result[n] += of_axis * strides[n][axis];
    }
  }

  __device__ __forceinline__ i64 offset(i64 index) const {
    i64 result[N];
    offsets(index, result);
    return result[0];
  }
#endif
};

template <int N>
struct BroadcastIndex : StridedIndex<N> {
  // Whether all may be read and written by vectors: then none reaches beyond the innermost axis.
  bool vectors;

#ifndef __CUDACC__
  using StridedIndex<N>::rank, StridedIndex<N>::sizes, StridedIndex<N>::strides;

  // `width`: elements of a vector.
  BroadcastIndex(const TensorView& output, const TensorView* const (&inputs)[N], int width) {
    const BroadcastLoops<N> loops(output, inputs);
    rank = loops.rank;
    // Along a single axis, a vector that is not whole is the last one.
    vectors = rank == 1 || loops.sizes[0] % width == 0;
    uintptr_t addresses = reinterpret_cast<uintptr_t>(output.data);
    for (int n = 0; n < N; ++n) {
      for (int axis = 0; axis < rank; ++axis) strides[n][axis] = loops.strides[n][axis];
      if (repeats(n)) continue;
      addresses |= reinterpret_cast<uintptr_t>(inputs[n]->data);
      for (int axis = 1; axis < rank; ++axis) vectors = vectors && strides[n][axis] % width == 0;
    }
    vectors = vectors && addresses % 16 == 0;
    for (int axis = 0; axis < rank; ++axis) sizes[axis] = Divider(loops.sizes[axis], output.elements());
  }
#endif

  // Along the innermost axis.
  TRANSFUSION_HOST_DEVICE bool repeats(int n) const { return this->strides[n][0] == 0; }
};

}  // namespace transfusion::cuda
