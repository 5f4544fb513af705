// Runs of N consecutive elements of any float type as f32: in accesses of 16 bytes where `vectors` says that
// their addresses are multiples of that, element by element elsewhere and where fewer than N are left.
#pragma once

#include "device/vectors.cuh"

namespace transfusion::cuda {

// Of one access: 16 bytes, or the whole run where it is less.
template <int N, class T>
using RunAccess = Access<(N * sizeof(T) < 16 ? N : 16 / static_cast<int>(sizeof(T)))>;

// Elements beyond the `left` that there are become `missing`.
template <int N, class T>
__device__ __forceinline__ void load_run(float (&values)[N], const T* source, i64 left, bool vectors,
                                         float missing = 0) {
  using Piece = RunAccess<N, T>;
  if (vectors && left >= N) {
#pragma unroll
    for (int begin = 0; begin < N; begin += Piece::kSize) {
      const auto piece = Piece().load(source + begin);
#pragma unroll
      for (int i = 0; i < Piece::kSize; ++i) values[begin + i] = piece.values[i];
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = i < left ? to_float(source[i]) : missing;
  }
}

template <int N, class T>
__device__ __forceinline__ void store_run(T* target, const float (&values)[N], i64 left, bool vectors) {
  using Piece = RunAccess<N, T>;
  if (vectors && left >= N) {
#pragma unroll
    for (int begin = 0; begin < N; begin += Piece::kSize) {
      Floats<Piece::kSize> piece;
#pragma unroll
      for (int i = 0; i < Piece::kSize; ++i) piece.values[i] = values[begin + i];
      Piece().store(target + begin, piece);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < left) target[i] = from_float<T>(values[i]);
  }
}

}  // namespace transfusion::cuda
