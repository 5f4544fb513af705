// Where broadcast inputs lie that belong to an element of the output: shared/broadcast.h on the GPU. The
// index of an output element is taken apart by division; where the innermost axis is whole vectors, that of a
// vector is.
#pragma once

#include "divider.h"
#include "shared/broadcast.h"

namespace transfusion::cuda {

template <int N>
struct BroadcastIndex {
  int rank;
  bool vectors;
  Divider sizes[kMaxRank];
  i64 strides[N][kMaxRank];

#ifndef __CUDACC__
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
  TRANSFUSION_HOST_DEVICE bool repeats(int n) const { return strides[n][0] == 0; }

#ifdef __CUDACC__
  __device__ __forceinline__ void offsets(i64 element, i64 (&result)[N]) const {
    i64 rest = element;
#pragma unroll
    for (int n = 0; n < N; ++n) result[n] = 0;
#pragma unroll 1
    for (int axis = 0; axis < rank; ++axis) {
      i64 index = rest;
      rest = axis + 1 < rank ? sizes[axis].divide(index) : 0;
#pragma unroll
      for (int n = 0; n < N; ++n) result[n] += index * strides[n][axis];
    }
  }
#endif
};

}  // namespace transfusion::cuda
