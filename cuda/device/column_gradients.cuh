// What each column of a matrix adds to a gradient, summed over the rows of a block: in registers, or where
// rows are of several tiles in the block's row of the partial sums.
#pragma once

#include "device/row_tile.cuh"

namespace transfusion::cuda {

template <class T, class Rows>
class ColumnGradients {
  using Tile = RowTile<T, Rows>;
  static constexpr int kRun = Tile::kRun, kRuns = Tile::kRuns;

 public:
  // partials [blocks, columns], or null: not wanted.
  __device__ __forceinline__ ColumnGradients(f32* partials, i64 columns, bool vectors)
      : partial_(partials ? partials + blockIdx.x * columns : nullptr), columns_(columns), vectors_(vectors) {
    clear();
    if (partial_ && has_many_tiles())
      for (i64 first = 0; first < columns_; first += Rows::kColumns)
        sums_.store(partial_, first, columns_, vectors_);
  }

  __device__ __forceinline__ void add(int run, int i, float value) { sums_.values[run][i] += value; }

  // After a tile, which began at column `first`.
  __device__ __forceinline__ void end_tile(i64 first) {
    if (!partial_ || !has_many_tiles()) return;
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
      const i64 begin = first + Tile::column(run);
      float before[kRun];
      load_run(before, partial_ + begin, columns_ - begin, vectors_);
#pragma unroll
      for (int i = 0; i < kRun; ++i) before[i] += sums_.values[run][i];
      store_run(partial_ + begin, before, columns_ - begin, vectors_);
    }
    clear();
  }

  // After all rows: by all threads of the block.
  __device__ __forceinline__ void finish() {
    if (!partial_ || has_many_tiles()) return;
    if constexpr (Rows::kBlockRows == 1) {
      sums_.store(partial_, 0, columns_, vectors_);
    } else {
      // One group of threads after the other adds its sums.
      __shared__ float joined[Rows::kElements][Rows::kThreads];
      const int group = threadIdx.x / Rows::kThreads, thread = threadIdx.x % Rows::kThreads;
      for (int turn = 0; turn < Rows::kBlockRows; ++turn) {
        if (group == turn) {
          Tile::for_each([&](int run, int i) {
            float& sum = joined[run * kRun + i][thread];
            if (turn > 0) sums_.values[run][i] += sum;
            sum = sums_.values[run][i];
          });
        }
        __syncthreads();
      }
      if (group == Rows::kBlockRows - 1) sums_.store(partial_, 0, columns_, vectors_);
    }
  }

 private:
  __device__ __forceinline__ bool has_many_tiles() const {
    return Rows::kBlockRows == 1 && columns_ > Rows::kColumns;
  }
  __device__ __forceinline__ void clear() {
    Tile::for_each([&](int run, int i) { sums_.values[run][i] = 0; });
  }

  Tile sums_;
  f32* partial_;
  i64 columns_;
  bool vectors_;
};

}  // namespace transfusion::cuda
