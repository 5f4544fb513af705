// Rows of a matrix in registers, shared by the threads of a warp or of a block (row_threads.h). A row of more
// columns than they hold is a few tiles, read again each time.
#pragma once

#include "device/elements.cuh"
#include "device/reduce.cuh"
#include "row_threads.h"

namespace transfusion::cuda {

// A tile: of each run, thread t holds kRun columns from first + (run kThreads + t) kRun on.
template <class T, class Rows>
struct RowTile {
  static constexpr int kRun = Vector<T>::kSize, kRuns = Rows::kElements / kRun;
  float values[kRuns][kRun];

  static __device__ __forceinline__ int column(int run) {
    return (run * Rows::kThreads + static_cast<int>(threadIdx.x) % Rows::kThreads) * kRun;
  }

  // Whether this thread holds a column in one of its tiles.
  static __device__ __forceinline__ bool holds(i64 column) {
    return column / kRun % Rows::kThreads == threadIdx.x % Rows::kThreads;
  }

  // Columns first .. of a row of `columns`; `missing` beyond its end.
  __device__ __forceinline__ void load(const T* row, i64 first, i64 columns, bool vectors,
                                       float missing = 0) {
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
      const i64 begin = first + column(run);
      load_run(values[run], row + begin, columns - begin, vectors, missing);
    }
  }
  template <class Target>
  __device__ __forceinline__ void store(Target* row, i64 first, i64 columns, bool vectors) const {
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
      const i64 begin = first + column(run);
      store_run(row + begin, values[run], columns - begin, vectors);
    }
  }

  // body(run, i) for each element, those beyond the end of the row included.
  template <class Body>
  static __device__ __forceinline__ void for_each(const Body& body) {
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) body(run, i);
    }
  }
};

// Where the last tile of a row begins; also of one without columns. Warps get rows of one tile only.
template <class Rows>
__device__ __forceinline__ i64 last_tile(i64 columns) {
  return Rows::kThreads == kWarp ? 0 : (columns - 1) / Rows::kColumns * Rows::kColumns;
}

// The rows of this thread's warp or block: first_row(), then every row_step() further on.
template <class Rows>
__device__ __forceinline__ i64 first_row() {
  return static_cast<i64>(blockIdx.x) * Rows::kBlockRows + threadIdx.x / Rows::kThreads;
}
template <class Rows>
__device__ __forceinline__ i64 row_step() {
  return static_cast<i64>(gridDim.x) * Rows::kBlockRows;
}
// Whether this thread is the first of those that share a row.
template <class Rows>
__device__ __forceinline__ bool leads_row() {
  return threadIdx.x % Rows::kThreads == 0;
}

// Over the threads that share a row, for all of them.
template <class Rows, int kValues, class Op>
__device__ __forceinline__ void reduce_row(float (&values)[kValues], Op op) {
  reduce_block<Rows::kThreads>(values, op);
}
template <class Rows, class Op>
__device__ __forceinline__ float reduce_row(float value, Op op) {
  return reduce_block<Rows::kThreads>(value, op);
}

}  // namespace transfusion::cuda
