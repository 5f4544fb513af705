// Products of 64 x 64 tiles by 256 threads in f32, for attention of any head size. Thread (y, x) of 16 x 16
// owns rows y + 16 i and columns x + 16 j: lanes that read the same row read consecutive columns.
#pragma once

#include "attention/tiles.h"
#include "device/convert.cuh"

namespace transfusion::cuda::simt {

inline constexpr int kStride = 16, kOwn = kTile / kStride;
inline constexpr int kDepth = 32;  // elements of heads that are loaded at once

// [kDepth][kTile]: threads store it along the depth, and read along the tile.
struct Transposed {
  float values[kDepth][kTile + 1];
};
// [kTile][kDepth]
struct Rows {
  float values[kTile][kDepth];
};
// [rows][keys]; two rows lie 16 banks apart.
struct Scores {
  float values[kTile][kTile + 16];
};

__device__ __forceinline__ int own_y() { return threadIdx.x / kStride; }
__device__ __forceinline__ int own_x() { return threadIdx.x % kStride; }

// Calls body(row, column, value) for elements [d0, d0 + kDepth) of the tile's rows, where row_at(row) says
// where row `row` begins, null for zeros; zeros too from D on.
template <class T, class RowAt, class Body>
__device__ __forceinline__ void load(int d0, int D, const RowAt& row_at, const Body& body) {
  const int column = threadIdx.x % kDepth;
#pragma unroll 4
  for (int row = threadIdx.x / kDepth; row < kTile; row += kThreads / kDepth) {
    const T* source = row_at(row);
    body(row, column, source && d0 + column < D ? to_float(source[d0 + column]) : 0.0f);
  }
}
template <class T, class RowAt>
__device__ __forceinline__ void load(Transposed& tile, int d0, int D, const RowAt& row_at) {
  load<T>(d0, D, row_at, [&](int row, int column, float value) { tile.values[column][row] = value; });
}
template <class T, class RowAt>
__device__ __forceinline__ void load(Rows& tile, int d0, int D, const RowAt& row_at) {
  load<T>(d0, D, row_at, [&](int row, int column, float value) { tile.values[row][column] = value; });
}

using OwnScores = float[kOwn][kOwn];
using OwnSums = float[kOwn][kColumns / kStride];

// scores = a b^T over all of D. Begins and ends so that both buffers may be written again.
template <class T, class AtA, class AtB>
__device__ __forceinline__ void multiply(OwnScores& scores, Transposed& a, Transposed& b, int D,
                                         const AtA& a_row, const AtB& b_row) {
  for (auto& row : scores)
    for (float& score : row) score = 0;
  for (int d0 = 0; d0 < D; d0 += kDepth) {
    load<T>(a, d0, D, a_row);
    load<T>(b, d0, D, b_row);
    __syncthreads();
    const int depth = min(kDepth, D - d0);
#pragma unroll 8
    for (int d = 0; d < depth; ++d)
#pragma unroll
      for (int i = 0; i < kOwn; ++i)
#pragma unroll
        for (int j = 0; j < kOwn; ++j)
          scores[i][j] += a.values[d][own_y() + kStride * i] * b.values[d][own_x() + kStride * j];
    __syncthreads();
  }
}

// sums += p b, or p^T b where kTransposed, for columns [column0, column0 + kColumns) of heads. `p` has been
// written before a barrier. Ends so that both buffers may be written again.
template <class T, bool kTransposed, class AtB>
__device__ __forceinline__ void multiply_add(OwnSums& sums, const Scores& p, Rows& b, int column0, int D,
                                             const AtB& b_row) {
#pragma unroll
  for (int c = 0; c < kColumns / kDepth; ++c) {
    const int d0 = column0 + c * kDepth;
    if (d0 < D) {
      load<T>(b, d0, D, b_row);
      __syncthreads();
#pragma unroll 8
      for (int k = 0; k < kTile; ++k)
#pragma unroll
        for (int i = 0; i < kOwn; ++i) {
          const int own = own_y() + kStride * i;
          const float factor = kTransposed ? p.values[k][own] : p.values[own][k];
#pragma unroll
          for (int j = 0; j < kDepth / kStride; ++j)
            if (d0 + kStride * j < D)
              sums[i][c * (kDepth / kStride) + j] += factor * b.values[k][own_x() + kStride * j];
        }
      __syncthreads();
    }
  }
}

// Stores y[row][column] = value for the thread's part; row_at(row) is null for rows that there are not.
template <class RowAt, class Store>
__device__ __forceinline__ void store(const OwnSums& sums, int column0, int D, const RowAt& row_at,
                                      const Store& store_element) {
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const i64 row = row_at(own_y() + kStride * i);
    if (row < 0) continue;
#pragma unroll
    for (int j = 0; j < kColumns / kStride; ++j) {
      const int column = column0 + own_x() + kStride * j;
      if (column < D) store_element(row + column, sums[i][j], i);
    }
  }
}

}  // namespace transfusion::cuda::simt
