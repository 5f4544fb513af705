// A block whose threads stand in a rectangle over a matrix: a row of `width` of them, a power of two, side by
// side over its columns, as many rows of them as there are threads.
#pragma once

#include "device/reduce.cuh"

namespace transfusion::cuda {

// Adds each value up over the rows of threads, in a tree: the first row of threads gets the sums. All threads
// call it, at most once in a kernel for one set of template arguments.
template <int kThreads, int kValues>
__device__ __forceinline__ void join_thread_rows(float (&values)[kValues], int width) {
  __shared__ float of_threads[kValues][kThreads];
  const int thread = threadIdx.x;
#pragma unroll
  for (int i = 0; i < kValues; ++i) of_threads[i][thread] = values[i];
  for (int half = kThreads / 2; half >= width; half /= 2) {
    __syncthreads();
    if (thread >= half) continue;
#pragma unroll
    for (int i = 0; i < kValues; ++i) of_threads[i][thread] += of_threads[i][thread + half];
  }
#pragma unroll
  for (int i = 0; i < kValues; ++i) values[i] = of_threads[i][thread];
}

}  // namespace transfusion::cuda
