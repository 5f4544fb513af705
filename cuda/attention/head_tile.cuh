// Tiles of heads in bf16 for tensor cores: rows of one (query, head) or key each, how they lie in shared
// memory, how they come there and go back, and as fragments of mma.m16n8k16.
#pragma once

#include "attention/rows.cuh"
#include "device/instructions.cuh"
#include "device/tile_load.cuh"

namespace transfusion::cuda {

// Rows of kWidth elements, a head padded with zeros, in chunks of 16 bytes. Their places within a row are
// swapped by an XOR with bits of the row's number, so that the 8 chunks that ldmatrix reads at once, the same
// chunk of 8 rows, lie in different banks; of rows shorter than 128 bytes several fill the 32 banks.
template <int kWidth>
struct HeadTile {
  static constexpr int kChunks = kWidth / 8, kRowBytes = kWidth * 2, kSteps = kWidth / 16;
  static constexpr int kSwapped = kChunks % 8 == 0   ? 7
                                  : kChunks % 4 == 0 ? 3
                                                     : 1;  // bits of a chunk's number

  static __device__ __forceinline__ int offset(int row, int chunk) {
    return row * kRowBytes + (chunk ^ (row / (8 / (kSwapped + 1)) & kSwapped)) * 16;
  }

  // This lane's address in a tile: apart, so that tiles whose lanes read alike share what is computed of it.
  struct LaneAddress {
    uint32_t tile;  // a multiple of 128
    uint32_t lane;
  };

  // For fragments of 16 rows from `row` on and 16 columns, of step 0.
  static __device__ __forceinline__ LaneAddress a(uint32_t tile, int row) {
    return b_transposed(tile, row, 0);
  }
  // For two fragments b of 8 columns of a product each, which are rows here, from `row` on.
  static __device__ __forceinline__ LaneAddress b(uint32_t tile, int row = 0) {
    const int lane = threadIdx.x % 32;
    return {tile + row * kRowBytes, static_cast<uint32_t>(offset(lane / 16 * 8 + lane % 8, lane / 8 % 2))};
  }
  // For two fragments b of 8 columns each, which are columns here too, from 16 * step on: for transposing
  // loads.
  static __device__ __forceinline__ LaneAddress b_transposed(uint32_t tile, int row = 0, int step = 0) {
    const int lane = threadIdx.x % 32;
    return {tile + row * kRowBytes, static_cast<uint32_t>(offset(lane % 16, 2 * step + lane / 16))};
  }

  // The address 16 * rows further down and 16 * step columns further on. Where `at` is not of step 0, the two
  // have no bits in common.
  static __device__ __forceinline__ uint32_t move(LaneAddress at, int rows, int step) {
    const int swapped = 2 * step & kSwapped, kept = 2 * step & ~kSwapped;
    return (at.lane ^ swapped * 16) + (at.tile + kept * 16 + 16 * rows * kRowBytes);
  }
};

// The part of kRows rows that one thread copies: the same chunk of every kRowStep-th row, whose places in
// shared memory lie equally far apart.
template <int kWidth, int kRows, int kThreads>
struct HeadChunks {
  using Tile = HeadTile<kWidth>;
  static constexpr int kRowStep = kThreads / Tile::kChunks >= 32   ? 32
                                  : kThreads / Tile::kChunks >= 16 ? 16
                                                                   : 8;
  static constexpr int kCount = kRows / kRowStep, kStepBytes = kRowStep * Tile::kRowBytes;
  static_assert(kRowStep * Tile::kChunks <= kThreads && kRows % kRowStep == 0);

  int row, chunk, offset;  // of the first

  __device__ __forceinline__ HeadChunks()
      : row(static_cast<int>(threadIdx.x) / Tile::kChunks),
        chunk(static_cast<int>(threadIdx.x) % Tile::kChunks),
        offset(Tile::offset(row, chunk)) {}

  // Not all threads have a part, and the chunk may lie beyond the head.
  __device__ __forceinline__ bool active() const { return row < kRowStep; }
  __device__ __forceinline__ bool present(int D) const { return chunk * 8 < D; }
};

// Loads kRows rows, which begin at multiples of 16 bytes, by asynchronous copies; row_at(row) says where row
// `row` begins, null for zeros.
template <int kWidth, int kRows, int kThreads, class RowAt>
__device__ __forceinline__ void copy_head_rows(uint32_t tile, int D, const RowAt& row_at) {
  using Chunks = HeadChunks<kWidth, kRows, kThreads>;
  const Chunks chunks;
  if (!chunks.active()) return;
#pragma unroll
  for (int i = 0; i < Chunks::kCount; ++i) {
    const bf16* source = row_at(chunks.row + i * Chunks::kRowStep);
    copy_async_16(tile + chunks.offset + i * Chunks::kStepBytes, source + chunks.chunk * 8,
                  source && chunks.present(D) ? 16 : 0);
  }
}

// The same for rows that lie `stride` apart, from `first` on; zeros for those not in [begin, end).
template <int kWidth, int kRows, int kThreads>
__device__ __forceinline__ void copy_head_rows(uint32_t tile, int D, const bf16* first, uint32_t stride,
                                               int begin, int end) {
  using Chunks = HeadChunks<kWidth, kRows, kThreads>;
  const Chunks chunks;
  if (!chunks.active()) return;
  const bf16* source = first + wide_product(chunks.row, stride) + chunks.chunk * 8;
  if (!chunks.present(D)) end = begin;
#pragma unroll
  for (int i = 0; i < Chunks::kCount; ++i) {
    const int row = chunks.row + i * Chunks::kRowStep;
    copy_async_16(tile + chunks.offset + i * Chunks::kStepBytes, source, row >= begin && row < end ? 16 : 0);
    source += wide_product(Chunks::kRowStep, stride);
  }
}

// Loads rows that begin anywhere, element by element: done before the next barrier.
template <int kWidth, int kRows, int kThreads, class RowAt>
__device__ __forceinline__ void load_head_rows(uint32_t tile, int D, const RowAt& row_at) {
  using Tile = HeadTile<kWidth>;
#pragma unroll 1
  for (int at = threadIdx.x; at < kRows * Tile::kChunks; at += kThreads) {
    const int row = at / Tile::kChunks, chunk = at % Tile::kChunks;
    const bf16* source = row_at(row);
    copy_elements(tile + Tile::offset(row, chunk), source + chunk * 8, source ? D - chunk * 8 : 0);
  }
}

// Stores a warp's 16 rows of a tile from `first` on, each to where row_at(row) says; null for rows that there
// are not. `aligned`: to multiples of 16 bytes.
template <int kWidth, class RowAt>
__device__ __forceinline__ void store_head_rows(uint32_t tile, int first, int D, bool aligned,
                                                const RowAt& row_at) {
  using Tile = HeadTile<kWidth>;
#pragma unroll 1
  for (int at = threadIdx.x % 32; at < 16 * Tile::kChunks; at += 32) {
    const int row = first + at / Tile::kChunks, chunk = at % Tile::kChunks;
    bf16* target = row_at(row);
    const int left = D - chunk * 8;
    if (!target || left <= 0) continue;
    uint32_t words[4];
    load_shared_16(words, tile + Tile::offset(row, chunk));
    target += chunk * 8;
    if (aligned) {
      *reinterpret_cast<uint4*>(target) = make_uint4(words[0], words[1], words[2], words[3]);
    } else {
#pragma unroll
      for (int i = 0; i < 8; ++i)
        if (i < left) target[i] = bf16{static_cast<uint16_t>(words[i / 2] >> i % 2 * 16)};
    }
  }
}

// A warp's sums: kCount times 16 rows by kColumns.
template <int kCount, int kColumns>
using WarpSums16 = float[kCount][kColumns / 8][4];

// Writes 16 rows of sums as bf16 to a tile, from `row` and column 16 * step on, every kSides-th 16 columns,
// where `value(sum, half)` is what to write; half 1: rows 8..15.
template <int kWidth, int kColumns, int kSides = 1, class Value>
__device__ __forceinline__ void write_head_columns(uint32_t tile, int row, int step,
                                                   const float (&sums)[kColumns / 8][4], const Value& value) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j)
      store_shared_4(
          tile + HeadTile<kWidth>::offset(row + half * 8 + lane / 4, 2 * (step + j / 2 * kSides) + j % 2) +
              lane % 4 * 4,
          pack_bf16(value(sums[j][2 * half], half), value(sums[j][2 * half + 1], half)));
}
template <int kWidth, class Value>
__device__ __forceinline__ void write_head_rows(uint32_t tile, int row, const float (&sums)[kWidth / 8][4],
                                                const Value& value) {
  write_head_columns<kWidth, kWidth>(tile, row, 0, sums, value);
}

// sums = a b^T over kWidth, of kCount times 16 rows of a and kRows of b, by their lanes' addresses.
template <int kWidth, int kCount, int kRows>
__device__ __forceinline__ void multiply_heads(WarpSums16<kCount, kRows>& sums,
                                               typename HeadTile<kWidth>::LaneAddress a,
                                               typename HeadTile<kWidth>::LaneAddress b) {
  using Tile = HeadTile<kWidth>;
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int j = 0; j < kRows / 8; ++j)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][j][i] = 0;
#pragma unroll
  for (int step = 0; step < Tile::kSteps; ++step) {
    uint32_t left[kCount][4];
#pragma unroll
    for (int m = 0; m < kCount; ++m) load_matrices(left[m], Tile::move(a, m, step));
#pragma unroll
    for (int j = 0; j < kRows / 16; ++j) {
      uint32_t right[4];
      load_matrices(right, Tile::move(b, j, step));
#pragma unroll
      for (int m = 0; m < kCount; ++m) {
        multiply_add(sums[m][2 * j], left[m], right[0], right[1]);
        multiply_add(sums[m][2 * j + 1], left[m], right[2], right[3]);
      }
    }
  }
}

// Fragments of a left operand, kCount times 16 rows of 16 columns each.
template <int kCount>
using LeftFragments = uint32_t[kCount][4];

// Those of columns 16 j and on of a warp's sums, rounded to bf16: columns of a product become the depth of
// the next one, in the order of their registers.
template <int kCount, int kTiles>
__device__ __forceinline__ void round_to_left(LeftFragments<kCount>& left,
                                              const float (&sums)[kCount][kTiles][4], int j) {
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float(&two)[4] = sums[m][2 * j + i / 2];
      left[m][i] = pack_bf16(two[i % 2 * 2], two[i % 2 * 2 + 1]);
    }
}

// sums += left b, of 16 rows of b from 16 j on, by its lanes' addresses of b_transposed. Sums have every
// kSides-th 16 columns of b.
template <int kWidth, int kCount, int kTiles, int kSides = 1>
__device__ __forceinline__ void add_left_product(float (&sums)[kCount][kTiles][4],
                                                 const LeftFragments<kCount>& left,
                                                 typename HeadTile<kWidth>::LaneAddress b, int j) {
#pragma unroll
  for (int step = 0; step < kTiles / 2; ++step) {
    uint32_t right[4];
    load_matrices_transposed(right, HeadTile<kWidth>::move(b, j, step * kSides));
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      multiply_add(sums[m][2 * step], left[m], right[0], right[1]);
      multiply_add(sums[m][2 * step + 1], left[m], right[2], right[3]);
    }
  }
}

// sums += p b, of the kRows rows of b, by its lanes' addresses of b_transposed. p is rounded to bf16.
template <int kWidth, int kRows, int kCount, int kColumns = kWidth>
__device__ __forceinline__ void add_product(WarpSums16<kCount, kColumns>& sums,
                                            const WarpSums16<kCount, kRows>& p,
                                            typename HeadTile<kWidth>::LaneAddress b) {
#pragma unroll
  for (int j = 0; j < kRows / 16; ++j) {
    LeftFragments<kCount> left;
    round_to_left(left, p, j);
    add_left_product<kWidth>(sums, left, b, j);
  }
}

}  // namespace transfusion::cuda
