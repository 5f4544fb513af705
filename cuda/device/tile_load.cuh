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

// The part of an operand's tiles that one thread loads: the same chunk of every kRowStep-th row, which lies
// at the same distance from the first one in shared memory, as kRowStep is a multiple of 8.
template <int kExtent, bool kKMajor, int kThreads>
struct ThreadChunks {
  using Layout = TileLayout<kExtent, kKMajor>;
  static constexpr int kRowStep = kThreads / Layout::kChunks;
  static constexpr int kCount = Layout::kRows / kRowStep;
  static_assert(kThreads % Layout::kChunks == 0 && kRowStep % 8 == 0 && Layout::kRows % kRowStep == 0);

  static __device__ __forceinline__ int row() { return static_cast<int>(threadIdx.x) / Layout::kChunks; }
  static __device__ __forceinline__ int chunk() { return static_cast<int>(threadIdx.x) % Layout::kChunks; }
  // Of the first chunk in the tile; the next are kStepBytes apart.
  static __device__ __forceinline__ int offset() { return Layout::offset(row(), chunk()); }
  static constexpr int kStepBytes = kRowStep * Layout::kRowBytes;
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

// Loads the tiles of a dense operand, one after the other along K: by asynchronous copies of 16 bytes where
// kAligned (base addresses and rows are multiples of 16 bytes), otherwise element by element through
// registers.
template <int kExtent, bool kKMajor, int kThreads, bool kAligned>
class DenseLoader {
  using Chunks = ThreadChunks<kExtent, kKMajor, kThreads>;

 public:
  // Of the tiles that begin at `begin` of the `extent` rows or columns.
  __device__ __forceinline__ DenseLoader(const Operand& operand, int matrix, int begin, int extent,
                                         i64 k_begin, i64 k_end)
      : step_(Chunks::kRowStep * operand.stride),
        tile_step_(kKMajor ? kTileDepth : kTileDepth * operand.stride) {
    const int along_row = Chunks::chunk() * 8;
    const i64 row = (kKMajor ? begin : k_begin) + Chunks::row();
    const i64 column = (kKMajor ? k_begin : begin) + along_row;
    source_ = static_cast<const bf16*>(operand.data) + matrix * operand.batch_stride + row * operand.stride +
              column;
    // Of the matrix, from this thread's first chunk on.
    extent_ = extent - begin - (kKMajor ? Chunks::row() : along_row);
    depth_ = static_cast<int>(k_end - k_begin) - (kKMajor ? along_row : Chunks::row());
  }

  // Copies the next tile to `tile` in shared memory.
  __device__ __forceinline__ void load(uint32_t tile) {
    const uint32_t target = tile + Chunks::offset();
#pragma unroll
    for (int i = 0; i < Chunks::kCount; ++i) {
      const int rows = (kKMajor ? extent_ : depth_) - i * Chunks::kRowStep;  // left, and
      const int elements = kKMajor ? depth_ : extent_;                       // of the row
      const bf16* source = source_ + i * step_;
      if constexpr (kAligned)
        copy_async_16(target + i * Chunks::kStepBytes, source, rows > 0 && elements > 0 ? 16 : 0);
      else
        copy_elements(target + i * Chunks::kStepBytes, source, rows > 0 ? elements : 0);
    }
    source_ += tile_step_;
    depth_ -= kTileDepth;
  }

 private:
  const bf16* source_;
  i64 step_, tile_step_;
  int extent_, depth_;
};

}  // namespace transfusion::cuda
