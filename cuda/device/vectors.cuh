// Memory in accesses of 16 bytes.
#pragma once

#include "device/convert.cuh"

namespace transfusion::cuda {

// 16 bytes of consecutive elements. Its address in memory is a multiple of 16.
template <class T>
struct alignas(16) Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T elements[kSize];
};

template <class T>
__device__ __forceinline__ Vector<T> load_vector(const T* source) {
  return *reinterpret_cast<const Vector<T>*>(source);
}
template <class T>
__device__ __forceinline__ void store_vector(T* target, const Vector<T>& vector) {
  *reinterpret_cast<Vector<T>*>(target) = vector;
}

}  // namespace transfusion::cuda
