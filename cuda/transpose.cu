// Two axes change places, seen as [a, n0, b, n1, c] -> [a, n1, b, n0, c]; its own backward. Where c is 1,
// tiles go through shared memory, so that both x and y are met in whole lines; else runs of c are copied.
#include "divider.h"
#ifndef __CUDACC__
#include "cuda_kernels.h"
#include "host/launch.h"
#include "strided_copy.h"
#endif

namespace transfusion::cuda {

// A row of a tile is one of 4 bytes for each lane of a warp.
constexpr int kThreads = 256, kLanes = 32, kWarps = kThreads / kLanes;

struct TransposeArguments {
  void* y;        // [a, n1, b, n0]
  const void* x;  // [a, n0, b, n1]
  i64 n0, n1;
  Divider b, row_tiles, column_tiles;
};

#ifdef __CUDACC__

// The matrix and the place in it of this block's tile, kTile elements wide and high.
template <class T, int kTile>
struct TransposeTile {
  T* y;        // at (column, row) of y
  const T* x;  // at (row, column) of x
  i64 y_stride, x_stride, rows, columns;

  __device__ explicit TransposeTile(const TransposeArguments& arguments) {
    i64 column = blockIdx.x;
    i64 row = arguments.column_tiles.divide(column);
    i64 j = arguments.row_tiles.divide(row);
    const i64 outer = arguments.b.divide(j), b = arguments.b.divisor, n0 = arguments.n0, n1 = arguments.n1;
    row *= kTile;
    column *= kTile;
    y = static_cast<T*>(arguments.y) + ((outer * n1 + column) * b + j) * n0 + row;
    x = static_cast<const T*>(arguments.x) + ((outer * n0 + row) * b + j) * n1 + column;
    y_stride = b * n0;
    x_stride = b * n1;
    rows = min(n0 - row, static_cast<i64>(kTile));
    columns = min(n1 - column, static_cast<i64>(kTile));
  }
};

template <class T>
__device__ void transpose(const TransposeArguments& arguments) {
  __shared__ T shared[kLanes][kLanes + 1];
  const TransposeTile<T, kLanes> tile(arguments);
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
#pragma unroll
  for (int row = warp; row < kLanes; row += kWarps)
    if (row < tile.rows && lane < tile.columns) shared[row][lane] = tile.x[row * tile.x_stride + lane];
  __syncthreads();
#pragma unroll
  for (int column = warp; column < kLanes; column += kWarps)
    if (column < tile.columns && lane < tile.rows)
      tile.y[column * tile.y_stride + lane] = shared[lane][column];
}

KERNEL(transpose_words, TransposeArguments, kThreads) { transpose<uint32_t>(arguments); }
// Where rows of x or y begin within a word.
KERNEL(transpose_halves, TransposeArguments, kThreads) { transpose<uint16_t>(arguments); }

// Of 2-byte elements in words of two neighbours: a warp makes two rows of y of two columns of x.
KERNEL(transpose_pairs, TransposeArguments, kThreads) {
  constexpr int kTile = 2 * kLanes;
  __shared__ uint32_t shared[kTile][kLanes + 1];
  const TransposeTile<uint16_t, kTile> tile(arguments);
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
#pragma unroll
  for (int row = warp; row < kTile; row += kWarps)
    if (row < tile.rows && 2 * lane < tile.columns)
      shared[row][lane] = *reinterpret_cast<const uint32_t*>(tile.x + row * tile.x_stride + 2 * lane);
  __syncthreads();
  if (2 * lane >= tile.rows) return;
  // Rows 2 i of lane i alone would lie in every other bank: half of the lanes begin with the odd rows.
  const int swap = lane / (kLanes / 2);
#pragma unroll
  for (int pair = warp; pair < kLanes; pair += kWarps) {
    if (2 * pair >= tile.columns) break;
    const uint32_t one = shared[2 * lane + swap][pair], other = shared[2 * lane + 1 - swap][pair];
    const uint32_t even = swap ? other : one, odd = swap ? one : other;
    uint16_t* y = tile.y + 2 * pair * tile.y_stride + 2 * lane;
    *reinterpret_cast<uint32_t*>(y) = __byte_perm(even, odd, 0x5410);
    *reinterpret_cast<uint32_t*>(y + tile.y_stride) = __byte_perm(even, odd, 0x7632);
  }
}

#else

constexpr Kernel<TransposeArguments> transpose_words("transpose", "transpose_words", kThreads);
constexpr Kernel<TransposeArguments> transpose_halves("transpose", "transpose_halves", kThreads);
constexpr Kernel<TransposeArguments> transpose_pairs("transpose", "transpose_pairs", kThreads);

namespace {

i64 product(const TensorView& x, i64 begin, i64 end) {
  i64 result = 1;
  for (i64 axis = begin; axis < end; ++axis) result *= x.shape[axis];
  return result;
}

}  // namespace

Status transpose(Context& context, Out y, In x, i64 axis0, i64 axis1) {
  const i64 first = std::min(axis0, axis1), second = std::max(axis0, axis1);
  const i64 a = product(x, 0, first), n0 = x.shape[first], b = product(x, first + 1, second);
  const i64 n1 = x.shape[second], c = product(x, second + 1, x.rank);
  if (c != 1)
    return copy_strided(context, y.data, x.data, x.dtype,
                        {{a, n1 * b * n0 * c, n0 * b * n1 * c},
                         {n1, b * n0 * c, c},
                         {b, n0 * c, n1 * c},
                         {n0, c, b * n1 * c},
                         {c, 1, 1}});
  const bool pairs = n0 % 2 == 0 && n1 % 2 == 0 &&
                     (reinterpret_cast<uintptr_t>(y.data) | reinterpret_cast<uintptr_t>(x.data)) % 4 == 0;
  const bool words = dtype_size(x.dtype) == 4;
  const auto& kernel = words ? transpose_words : pairs ? transpose_pairs : transpose_halves;
  const i64 size = !words && pairs ? 2 * kLanes : kLanes;
  const i64 row_tiles = ceil_div(n0, size), column_tiles = ceil_div(n1, size),
            tiles = a * b * row_tiles * column_tiles;
  return launch(
      context, kernel, {tiles},
      {y.data, x.data, n0, n1, Divider(b, tiles), Divider(row_tiles, tiles), Divider(column_tiles, tiles)});
}

#endif

}  // namespace transfusion::cuda
