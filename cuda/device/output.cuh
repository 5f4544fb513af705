// The end of a product's kernel: what is added to the sums, and how they are written.
#pragma once

#include "device/partition.cuh"
#include "device/vectors.cuh"

namespace transfusion::cuda {

template <class T, int kSize>
__device__ __forceinline__ void add_elements(float (&sums)[kSize], const T* elements, int count) {
#pragma unroll
  for (int i = 0; i < kSize; ++i)
    if (i < count) sums[i] += to_float(elements[i]);
}

template <class T, int kSize>
__device__ __forceinline__ void add_vector(float (&sums)[kSize], const T* elements) {
  const Vector<T> vector = load_vector(elements);
#pragma unroll
  for (int i = 0; i < kSize; ++i) sums[i] += to_float(vector.elements[i]);
}

// Writes 16 bytes of y, as T, which begin at [row, column]; what lies beyond y's M rows and N columns is left
// out.
template <class T>
__device__ __forceinline__ void store_sums(const Output& output, const Partition& partition, const Place& place,
                                           int row, int column, float (&sums)[Vector<T>::kSize]) {
  constexpr int kSize = Vector<T>::kSize;
  const int count = min(kSize, partition.n - column);
  if (row >= partition.m || count <= 0) return;
  if (output.bias) {
    const i64 at =
        place.matrix * output.bias_batch_stride + row / output.rows_of_bias * output.bias_stride + column;
    if (output.bias_is_bf16 && sizeof(T) != sizeof(bf16))
      add_elements(sums, static_cast<const bf16*>(output.bias) + at, count);
    else if (output.bias_vectors)
      add_vector(sums, static_cast<const T*>(output.bias) + at);
    else
      add_elements(sums, static_cast<const T*>(output.bias) + at, count);
  }
  const i64 at = place.matrix * output.batch_stride + row * output.stride + column;
  if (output.addend) {
    const T* addend = static_cast<const T*>(output.addend) + at;
    if (output.vectors)
      add_vector(sums, addend);
    else
      add_elements(sums, addend, count);
  }
  T* y = static_cast<T*>(output.y) + place.split * output.split_stride + at;
  if (output.vectors) {
    Vector<T> vector;
#pragma unroll
    for (int i = 0; i < kSize; ++i) vector.elements[i] = from_float<T>(sums[i]);
    store_vector(y, vector);
  } else {
#pragma unroll
    for (int i = 0; i < kSize; ++i)
      if (i < count) y[i] = from_float<T>(sums[i]);
  }
}

}  // namespace transfusion::cuda
