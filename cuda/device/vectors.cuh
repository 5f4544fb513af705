// Memory in accesses of 16 bytes, and what kernels over elements share: a loop over vectors of them, as
// floats.
#pragma once

#include "device/convert.cuh"

namespace transfusion::cuda {

// Consecutive elements; their address in memory is a multiple of their bytes, of 16 where they are more.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount < 16 ? sizeof(T) * kCount : 16) Elements {
  T elements[kCount];
};

// 16 bytes of them.
template <class T>
struct Vector : Elements<T, 16 / sizeof(T)> {
  static constexpr int kSize = 16 / sizeof(T);
};

template <class T>
__device__ __forceinline__ Vector<T> load_vector(const T* source) {
  return *reinterpret_cast<const Vector<T>*>(source);
}
template <class T>
__device__ __forceinline__ void store_vector(T* target, const Vector<T>& vector) {
  *reinterpret_cast<Vector<T>*>(target) = vector;
}

template <int kCount>
struct Floats {
  float values[kCount];
};

// f of each element of one or more.
template <class F, int kCount, class... Rest>
__device__ __forceinline__ Floats<kCount> map(F f, const Floats<kCount>& first, const Rest&... rest) {
  Floats<kCount> result;
#pragma unroll
  for (int i = 0; i < kCount; ++i) result.values[i] = f(first.values[i], rest.values[i]...);
  return result;
}

// How kCount elements are read and written; one of them may lie anywhere.
template <int kCount>
struct Access {
  static constexpr int kSize = kCount;

  template <class T>
  __device__ __forceinline__ Floats<kCount> load(const T* source) const {
    const auto vector = *reinterpret_cast<const Elements<T, kCount>*>(source);
    Floats<kCount> result;
#pragma unroll
    for (int i = 0; i < kCount; ++i) result.values[i] = to_float(vector.elements[i]);
    return result;
  }

  __device__ __forceinline__ Floats<kCount> repeat(float value) const {
    Floats<kCount> result;
#pragma unroll
    for (float& element : result.values) element = value;
    return result;
  }

  template <class T>
  __device__ __forceinline__ void store(T* target, const Floats<kCount>& floats) const {
    if constexpr (sizeof(T) == 2 && kCount % 2 == 0) {
      Elements<uint32_t, kCount / 2> pairs;
#pragma unroll
      for (int i = 0; i < kCount / 2; ++i)
        pairs.elements[i] = pack_bf16(floats.values[2 * i], floats.values[2 * i + 1]);
      *reinterpret_cast<Elements<uint32_t, kCount / 2>*>(target) = pairs;
    } else {
      Elements<T, kCount> vector;
#pragma unroll
      for (int i = 0; i < kCount; ++i) vector.elements[i] = from_float<T>(floats.values[i]);
      *reinterpret_cast<Elements<T, kCount>*>(target) = vector;
    }
  }
};

// Elements of a vector where types are read and written side by side: 16 bytes of the widest.
template <class A, class B = A>
inline constexpr int kVectorSize = 16 / (sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B));

// Calls body(i, access) for all elements [i, i + access.kSize) of `count`, by blocks of kThreads threads of
// which each has the kWidth elements of a vector: by vectors where they begin at whole ones in memory, else
// one by one, neighbours by neighbouring threads.
template <int kThreads, int kWidth, class Body>
__device__ __forceinline__ void for_each_vector(i64 count, bool vectors, const Body& body,
                                                i64 block_index = blockIdx.x) {
  const i64 block = block_index * (kThreads * kWidth);
  if (vectors) {
    const i64 begin = block + threadIdx.x * kWidth;
    if (begin + kWidth <= count) {
      body(begin, Access<kWidth>());
    } else {
#pragma unroll 1
      for (i64 i = begin; i < count; ++i) body(i, Access<1>());
    }
  } else {
    const i64 end = count < block + kThreads * kWidth ? count : block + kThreads * kWidth;
#pragma unroll 1
    for (i64 i = block + threadIdx.x; i < end; i += kThreads) body(i, Access<1>());
  }
}

// The same by any number of blocks, which take turns: where each does something for all of its elements.
template <int kThreads, int kWidth, class Body>
__device__ __forceinline__ void for_each_vector_in_turn(i64 count, bool vectors, const Body& body) {
  for (i64 block = blockIdx.x; block * (kThreads * kWidth) < count; block += gridDim.x)
    for_each_vector<kThreads, kWidth>(count, vectors, body, block);
}

}  // namespace transfusion::cuda
