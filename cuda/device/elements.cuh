// Runs of N consecutive elements of any float type as f32: in accesses of 16 bytes where `vectors` says that
// their address is a multiple of 16, element by element elsewhere and where fewer than N are left.
#pragma once

#include "device/vectors.cuh"

namespace transfusion::cuda {

// Elements beyond the `left` that there are become `missing`.
template <int N, class T>
__device__ __forceinline__ void load_run(float (&values)[N], const T* source, i64 left, bool vectors,
                                         float missing = 0) {
  constexpr int kSize = Vector<T>::kSize;
  static_assert(N % kSize == 0);
  if (vectors && left >= N) {
#pragma unroll
    for (int begin = 0; begin < N; begin += kSize) {
      const Vector<T> vector = load_vector(source + begin);
#pragma unroll
      for (int i = 0; i < kSize; ++i) values[begin + i] = to_float(vector.elements[i]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = i < left ? to_float(source[i]) : missing;
  }
}

template <int N, class T>
__device__ __forceinline__ void store_run(T* target, const float (&values)[N], i64 left, bool vectors) {
  constexpr int kSize = Vector<T>::kSize;
  static_assert(N % kSize == 0);
  if (vectors && left >= N) {
#pragma unroll
    for (int begin = 0; begin < N; begin += kSize) {
      Vector<T> vector;
#pragma unroll
      for (int i = 0; i < kSize; ++i) vector.elements[i] = from_float<T>(values[begin + i]);
      store_vector(target + begin, vector);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < left) target[i] = from_float<T>(values[i]);
  }
}

}  // namespace transfusion::cuda
