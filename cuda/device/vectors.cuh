// Memory in accesses of 16 bytes, and what kernels over elements share: a loop over vectors of them, as
// floats.
#pragma once

#include <type_traits>

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

// To global memory, in as few accesses as there can be.
template <int kWords>
__device__ __forceinline__ void store_words(void* target, const uint32_t (&words)[kWords]) {
  static_assert(kWords == 2 || kWords % 4 == 0);
  if constexpr (kWords == 2) {
    store_global(target, words[0], words[1]);
  } else {
#pragma unroll
    for (int i = 0; i < kWords; i += 4)
      store_global(static_cast<uint32_t*>(target) + i, words[i], words[i + 1], words[i + 2], words[i + 3]);
  }
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
    constexpr int kWords = kCount * static_cast<int>(sizeof(T)) / 4;
    if constexpr (kCount == 1) {
      *target = from_float<T>(floats.values[0]);
    } else {
      uint32_t words[kWords];
#pragma unroll
      for (int i = 0; i < kWords; ++i) {
        if constexpr (sizeof(T) == 2)
          words[i] = pack_bf16(floats.values[2 * i], floats.values[2 * i + 1]);
        else
          words[i] = word_of<T>(floats.values[i]);
      }
      store_words(target, words);
    }
  }

 private:
  template <class T>
  static __device__ __forceinline__ uint32_t word_of(float value) {
    if constexpr (std::is_same_v<T, i32>)
      return static_cast<uint32_t>(static_cast<i32>(value));
    else
      return __float_as_uint(value);
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
