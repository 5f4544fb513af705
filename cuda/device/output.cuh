// The end of a product's kernel: what is added to the sums, and how they are written.
#pragma once

#include "device/elements.cuh"
#include "device/partition.cuh"

namespace transfusion::cuda {

// sums += the elements from `source` on, of which `count` belong to them.
template <class T, int kSize>
__device__ __forceinline__ void add_run(float (&sums)[kSize], const T* source, int count, bool vectors) {
  float values[kSize];
  load_run(values, source, count, vectors);
#pragma unroll
  for (int i = 0; i < kSize; ++i) sums[i] += values[i];
}

// Writes 16 bytes of y, as T, which begin at [row, column]; what lies beyond y's M rows and N columns is left
// out.
template <class T>
__device__ __forceinline__ void store_sums(const Output& output, const Partition& partition,
                                           const Place& place, int row, int column,
                                           float (&sums)[Vector<T>::kSize]) {
  constexpr int kSize = Vector<T>::kSize;
  const int count = min(kSize, partition.n - column);
  if (row >= partition.m || count <= 0) return;
  if (output.bias) {
    const i64 at =
        place.matrix * output.bias_batch_stride + row / output.rows_of_bias * output.bias_stride + column;
    if (output.bias_is_bf16 && sizeof(T) != sizeof(bf16)) {
#pragma unroll
      for (int i = 0; i < kSize; ++i)
        if (i < count) sums[i] += to_float(static_cast<const bf16*>(output.bias)[at + i]);
    } else {
      add_run(sums, static_cast<const T*>(output.bias) + at, count, output.bias_vectors);
    }
  }
  const i64 at = place.matrix * output.batch_stride + row * output.stride + column;
  if (output.addend) add_run(sums, static_cast<const T*>(output.addend) + at, count, output.vectors);
  store_run(static_cast<T*>(output.y) + place.split * output.split_stride + at, sums, count, output.vectors);
}

// The same of one element, which is there.
template <class T>
__device__ __forceinline__ void store_sum(const Output& output, const Place& place, int row, int column,
                                          float sum) {
  if (output.bias) {
    const i64 at =
        place.matrix * output.bias_batch_stride + row / output.rows_of_bias * output.bias_stride + column;
    sum += output.bias_is_bf16 ? to_float(static_cast<const bf16*>(output.bias)[at])
                               : static_cast<const float*>(output.bias)[at];
  }
  const i64 at = place.matrix * output.batch_stride + row * output.stride + column;
  if (output.addend) sum += to_float(static_cast<const T*>(output.addend)[at]);
  static_cast<T*>(output.y)[place.split * output.split_stride + at] = from_float<T>(sum);
}

}  // namespace transfusion::cuda
