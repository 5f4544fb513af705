// Tiles of bf16 operands: how they lie in shared memory, and how they come there.
#pragma once

#include "device/instructions.cuh"
#include "matmul/product.h"
#include "matmul/tile_shapes.h"

namespace transfusion::cuda {

// How an operand's tile, kExtent of M or N by kTileDepth of K, lies in shared memory: in rows as in memory,
// of K where kKMajor, else of M or N. Rows are chunks of 16 bytes, whose places within a row are swapped by
// an XOR with the row's number, so that the 8 chunks that ldmatrix reads at once, the same chunk of 8 rows,
// lie in different banks:
//   rows of 64 bytes (K-major): two fill the 32 banks, so that the number is that of the pair of rows, 0..3
//   rows of 128 bytes and more: the row's number, 0..7
template <int kExtent, bool kKMajor>
struct TileLayout {
  static constexpr int kRows = kKMajor ? kExtent : kTileDepth;
  static constexpr int kChunks = (kKMajor ? kTileDepth : kExtent) / 8;
  static constexpr int kRowBytes = kChunks * 16;
  static constexpr int kBytes = kRows * kRowBytes;

  static __device__ __forceinline__ int offset(int row, int chunk) {
    return row * kRowBytes + (chunk ^ (kKMajor ? row >> 1 & 3 : row & 7)) * 16;
  }
};

// The part of an operand's tiles that one thread loads: kBytes, 16 or 4, of every kRowStep-th row.
template <int kExtent, bool kKMajor, int kThreads, int kBytes = 16>
struct ThreadParts {
  using Layout = TileLayout<kExtent, kKMajor>;
  static constexpr int kElements = kBytes / 2, kOfRow = Layout::kRowBytes / kBytes;
  static constexpr int kRowStep = kThreads / kOfRow;
  static constexpr int kCount = Layout::kRows / kRowStep;
  static_assert(kThreads % kOfRow == 0 && Layout::kRows % kRowStep == 0);
  // Rows whose numbers differ in these bits are swapped in different ways: see TileLayout.
  static constexpr int kSwaps = 7;
  static_assert(kRowStep % 8 == 0 || (!kKMajor && (kRowStep & (kRowStep - 1)) == 0));

  // Of the first part, in the tile.
  static __device__ __forceinline__ int row() { return static_cast<int>(threadIdx.x) / kOfRow; }
  static __device__ __forceinline__ int element() {
    return static_cast<int>(threadIdx.x) % kOfRow * kElements;
  }
  static __device__ __forceinline__ int offset() {
    return Layout::offset(row(), element() / 8) + element() % 8 * 2;
  }
  // Of the i-th part, given that of the first in shared memory.
  static __device__ __forceinline__ uint32_t target(uint32_t first, int i) {
    return (first ^ (i * kRowStep & kSwaps) * 16) + i * kRowStep * Layout::kRowBytes;
  }
};

// 8 elements, of which those before `count` are read and the others are zero.
__device__ __forceinline__ void copy_elements(uint32_t target, const bf16* source, int count) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = 2 * i < count ? source[2 * i].bits : 0;
    const uint32_t high = 2 * i + 1 < count ? source[2 * i + 1].bits : 0;
    words[i] = high << 16 | low;
  }
  store_shared_16(target, words);
}

// Loads the tiles of a dense operand, one after the other along K, in units of kUnit bytes, of which all rows
// are whole and at multiples of. 16 or 4: by asynchronous copies. 2, single elements: through registers,
// where they stay from one load to the next, while they come.
template <int kExtent, bool kKMajor, int kThreads, int kUnit>
class DenseLoader {
  using Parts = ThreadParts<kExtent, kKMajor, kThreads, kUnit == 16 ? 16 : 4>;

 public:
  // Of the tiles that begin at `begin` of the `extent` rows or columns.
  __device__ __forceinline__ DenseLoader(const Operand& operand, int matrix, int begin, int extent,
                                         i64 k_begin, i64 k_end)
      : step_(Parts::kRowStep * operand.stride),
        tile_step_(kKMajor ? kTileDepth : kTileDepth * operand.stride) {
    const i64 row = (kKMajor ? begin : k_begin) + Parts::row();
    const i64 column = (kKMajor ? k_begin : begin) + Parts::element();
    source_ = static_cast<const bf16*>(operand.data) + matrix * operand.batch_stride + row * operand.stride +
              column;
    // Of the matrix, from this thread's first part on.
    extent_ = extent - begin - (kKMajor ? Parts::row() : Parts::element());
    depth_ = static_cast<int>(k_end - k_begin) - (kKMajor ? Parts::element() : Parts::row());
    if constexpr (kUnit == 2) fetch();
  }

  // Copies the next tile to `tile` in shared memory.
  __device__ __forceinline__ void load(uint32_t tile) {
    const uint32_t first = tile + Parts::offset();
    if constexpr (kUnit == 2) {
#pragma unroll
      for (int i = 0; i < Parts::kCount; ++i)
        store_shared_4(Parts::target(first, i), static_cast<uint32_t>(fetched_[i][1]) << 16 | fetched_[i][0]);
      fetch();
    } else {
      for_each_part([&](int i, const bf16* source, int elements) {
        if constexpr (kUnit == 16)
          copy_async_16(Parts::target(first, i), source, elements > 0 ? 16 : 0);
        else
          copy_async_4(Parts::target(first, i), source, elements > 0);
      });
    }
  }

 private:
  // body(i, address, elements that are there) for each part of the next tile.
  template <class Body>
  __device__ __forceinline__ void for_each_part(const Body& body) {
    const int rows = kKMajor ? extent_ : depth_;
    const int elements = kKMajor ? depth_ : extent_;
#pragma unroll
    for (int i = 0; i < Parts::kCount; ++i)
      body(i, source_ + i * step_, i * Parts::kRowStep < rows ? elements : 0);
    source_ += tile_step_;
    depth_ -= kTileDepth;
  }

  __device__ __forceinline__ void fetch() {
    for_each_part([&](int i, const bf16* source, int elements) {
#pragma unroll
      for (int k = 0; k < 2; ++k) fetched_[i][k] = k < elements ? source[k].bits : 0;
    });
  }

  const bf16* source_;
  i64 step_, tile_step_;
  int extent_, depth_;
  uint16_t fetched_[kUnit == 2 ? Parts::kCount : 1][2];  // of the next tile
};

}  // namespace transfusion::cuda
