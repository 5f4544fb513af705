// Matrices that are gathered from images and weights (patches.h), as operands of tiles. A matrix has
// at(row, column): the address of an element, or null where it is a zero of the padding.
#pragma once

#include "convolution/patches.h"
#include "device/simt_tile.cuh"
#include "device/tile_load.cuh"

namespace transfusion::cuda {

template <class T, bool kTransposed>
struct Patches {
  const PatchesArguments& arguments;
  const T* images;  // of the group

  __device__ __forceinline__ Patches(const PatchesArguments& arguments, int group)
      : arguments(arguments),
        images(static_cast<const T*>(arguments.images) + group * arguments.group_stride) {}

  // Where a place and a tap meet on an axis, or -1 outside.
  __device__ __forceinline__ int meet(uint32_t place, uint32_t tap, int size) const {
    int at;
    if constexpr (kTransposed) {
      at = static_cast<int>(place) + arguments.padding - static_cast<int>(tap);
      if (at < 0) return -1;
      uint32_t rest = static_cast<uint32_t>(at);
      at = static_cast<int>(arguments.by_stride.divide(rest));
      if (rest != 0) return -1;
    } else {
      at = static_cast<int>(place) * arguments.stride + static_cast<int>(tap) - arguments.padding;
    }
    return at < size ? at : -1;
  }

  __device__ __forceinline__ const T* at(i64 row, i64 column) const {
    uint32_t j = static_cast<uint32_t>(row), c = static_cast<uint32_t>(column);
    uint32_t i = arguments.result_width.divide(j), v = arguments.channels.divide(c);
    const uint32_t image = arguments.result_height.divide(i), u = arguments.kernel_width.divide(v);
    const int y = meet(i, u, arguments.height), x = meet(j, v, arguments.width);
    if (y < 0 || x < 0) return nullptr;
    const i64 pixel = (static_cast<i64>(image) * arguments.height + y) * arguments.width + x;
    return images + pixel * arguments.pixel_stride + c;
  }

  __device__ __forceinline__ const T* base() const { return images; }
};

template <class T>
struct TapRows {
  const TapRowsArguments& arguments;
  const T* weight;  // of the group

  __device__ __forceinline__ TapRows(const TapRowsArguments& arguments, int group)
      : arguments(arguments),
        weight(static_cast<const T*>(arguments.weight) + group * arguments.group_stride) {}

  __device__ __forceinline__ const T* at(i64 row, i64 column) const {
    uint32_t o = static_cast<uint32_t>(row);
    const uint32_t tap = arguments.outputs.divide(o);
    return weight + o * arguments.output_stride + static_cast<i64>(tap) * arguments.channels + column;
  }

  __device__ __forceinline__ const T* base() const { return weight; }
};

// Loads tiles of bf16 as DenseLoader does. kAligned: 8 columns, from a multiple of 8 on, lie side by side at
// a multiple of 16 bytes, or are all zeros.
template <int kExtent, bool kKMajor, int kThreads, bool kAligned, class Matrix>
class GatherLoader {
  using Chunks = ThreadChunks<kExtent, kKMajor, kThreads>;

 public:
  __device__ __forceinline__ GatherLoader(const Matrix& matrix, int begin, int extent, i64 k_begin, i64 k_end)
      : matrix_(matrix),
        row_((kKMajor ? begin : static_cast<int>(k_begin)) + Chunks::row()),
        column_((kKMajor ? static_cast<int>(k_begin) : begin) + Chunks::chunk() * 8),
        rows_(kKMajor ? extent : static_cast<int>(k_end)),
        columns_(kKMajor ? static_cast<int>(k_end) : extent) {}

  __device__ __forceinline__ void load(uint32_t tile) {
    const uint32_t target = tile + Chunks::offset();
#pragma unroll
    for (int i = 0; i < Chunks::kCount; ++i) {
      const int row = row_ + i * Chunks::kRowStep;
      if constexpr (kAligned) {
        const bf16* source = row < rows_ && column_ < columns_ ? matrix_.at(row, column_) : nullptr;
        copy_async_16(target + i * Chunks::kStepBytes, source ? source : matrix_.base(), source ? 16 : 0);
      } else {
        uint32_t words[4];
#pragma unroll
        for (int word = 0; word < 4; ++word)
          words[word] = element(row, column_ + 2 * word) | element(row, column_ + 2 * word + 1) << 16;
        store_shared_16(target + i * Chunks::kStepBytes, words);
      }
    }
    (kKMajor ? column_ : row_) += kTileDepth;
  }

 private:
  __device__ __forceinline__ uint32_t element(int row, int column) const {
    const bf16* source = row < rows_ && column < columns_ ? matrix_.at(row, column) : nullptr;
    return source ? source->bits : 0;
  }

  Matrix matrix_;
  int row_, column_, rows_, columns_;
};

// Gives fours of f32 as DenseFloats does.
template <class Matrix, bool kKMajor>
struct GatherFloats {
  static constexpr bool k_major = kKMajor;

  const Matrix& matrix;
  int extent;
  i64 k_end;

  __device__ __forceinline__ Vector<f32> four(int at, i64 k) const {
    const i64 row = kKMajor ? at : k, column = kKMajor ? k : at;
    const i64 rows = kKMajor ? extent : k_end, columns = kKMajor ? k_end : extent;
    Vector<f32> vector{};
    if (row >= rows) return vector;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const f32* source = column + i < columns ? matrix.at(row, column + i) : nullptr;
      if (source) vector.elements[i] = *source;
    }
    return vector;
  }
};

}  // namespace transfusion::cuda
