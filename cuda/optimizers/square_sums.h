// The sum of the squares of a flat arena, for norms: in f32 over a few elements, then in f64 over the
// elements of a thread, of a block and of all blocks, whose number depends on that of the elements alone.
#pragma once

#include "kernel.h"
#ifdef __CUDACC__
#include "device/reduce.cuh"
#include "device/vectors.cuh"
#else
#include <algorithm>

#include "host/launch.h"
#endif

namespace transfusion::cuda {

inline constexpr int kSquareThreads = 256;
inline constexpr int kSquareRun = 4;  // f32 in 16 bytes

#ifdef __CUDACC__

// Of this block, for its first thread. load(i, access) gives the elements from i on as Floats.
template <class Load>
__device__ __forceinline__ double sum_squares(i64 count, bool aligned, const Load& load) {
  double sum = 0;
  for_each_vector_in_turn<kSquareThreads, kSquareRun>(count, aligned, [&](i64 i, auto access) {
    const auto values = load(i, access);
    float squares = 0;
    for (const float value : values.values) squares += value * value;
    sum += squares;
  });
  return reduce_block<kSquareThreads>(sum, Sum());
}

// Of all blocks, for every thread of one.
__device__ __forceinline__ double join_squares(const double* partials, int count) {
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += kSquareThreads) sum += partials[i];
  return reduce_block<kSquareThreads>(sum, Sum());
}

#else

inline i64 square_blocks(i64 count) {
  constexpr i64 kMostBlocks = 1024, kVectorsOfThread = 4;
  return std::min(ceil_div(count, kSquareThreads * kSquareRun * kVectorsOfThread), kMostBlocks);
}

#endif

}  // namespace transfusion::cuda
