// Matrices that are gathered from images and weights (patches.h), as operands of tiles. A matrix has
// row(index), column(index) and at(row, column): the address of an element, or null where it is a zero of the
// padding.
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

  struct Row {  // a place of the result
    uint32_t image, i, j;
  };
  struct Column {  // a tap's channel
    uint32_t u, v, c;
  };

  __device__ __forceinline__ Row row(int index) const {
    Row row;
    row.j = static_cast<uint32_t>(index);
    row.i = arguments.result_width.divide(row.j);
    row.image = arguments.result_height.divide(row.i);
    return row;
  }

  __device__ __forceinline__ Column column(int index) const {
    Column column;
    column.c = static_cast<uint32_t>(index);
    column.v = arguments.channels.divide(column.c);
    column.u = arguments.kernel_width.divide(column.v);
    return column;
  }

  // Where a place and a tap meet on an axis of `size`; negative outside.
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

  __device__ __forceinline__ const T* at(const Row& row, const Column& column) const {
    const int y = meet(row.i, column.u, arguments.height), x = meet(row.j, column.v, arguments.width);
    if (y < 0 || x < 0) return nullptr;
    const i64 pixel = (static_cast<i64>(row.image) * arguments.height + y) * arguments.width + x;
    return images + pixel * arguments.pixel_stride + column.c;
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

  using Row = const T*;
  using Column = int;

  __device__ __forceinline__ Row row(int index) const {
    uint32_t o = static_cast<uint32_t>(index);
    const uint32_t tap = arguments.outputs.divide(o);
    return weight + o * arguments.output_stride + static_cast<i64>(tap) * arguments.channels;
  }
  __device__ __forceinline__ Column column(int index) const { return index; }
  __device__ __forceinline__ const T* at(Row row, Column column) const { return row + column; }

  __device__ __forceinline__ const T* base() const { return weight; }
};

// Loads tiles of bf16 as DenseLoader does. kAligned: 8 columns, from a multiple of 8 on, lie side by side at
// a multiple of 16 bytes, or are all zeros.
template <int kExtent, bool kKMajor, int kThreads, bool kAligned, class Matrix>
class GatherLoader {
  using Parts = ThreadParts<kExtent, kKMajor, kThreads>;

 public:
  __device__ __forceinline__ GatherLoader(const Matrix& matrix, int begin, int extent, i64 k_begin, i64 k_end)
      : matrix_(matrix),
        row_((kKMajor ? begin : static_cast<int>(k_begin)) + Parts::row()),
        column_((kKMajor ? static_cast<int>(k_begin) : begin) + Parts::element()),
        rows_(kKMajor ? extent : static_cast<int>(k_end)),
        columns_(kKMajor ? static_cast<int>(k_end) : extent) {
    if constexpr (kKMajor) {
#pragma unroll
      for (int i = 0; i < Parts::kCount; ++i) kept_rows_[i] = matrix_.row(row_ + i * Parts::kRowStep);
    } else {
      kept_column_ = matrix_.column(column_);
    }
  }

  __device__ __forceinline__ void load(uint32_t tile) {
    const uint32_t first = tile + Parts::offset();
    if constexpr (kAligned)
      copy(first);
    else
      gather(first);
    (kKMajor ? column_ : row_) += kTileDepth;
  }

 private:
  __device__ __forceinline__ void copy(uint32_t first) const {
    const auto column = kKMajor ? matrix_.column(column_) : kept_column_;
#pragma unroll
    for (int i = 0; i < Parts::kCount; ++i) {
      const int index = row_ + i * Parts::kRowStep;
      const auto row = kKMajor ? kept_rows_[i] : matrix_.row(index);
      const bf16* source = index < rows_ && column_ < columns_ ? matrix_.at(row, column) : nullptr;
      copy_async_16(Parts::target(first, i), source ? source : matrix_.base(), source ? 16 : 0);
    }
  }

  // Element by element, with registers kept for nothing.
  __device__ __forceinline__ void gather(uint32_t first) const {
#pragma unroll 1
    for (int i = 0; i < Parts::kCount; ++i) {
      const int index = row_ + i * Parts::kRowStep;
      const auto row = matrix_.row(index);
      uint32_t words[4] = {};
#pragma unroll
      for (int k = 0; k < 8; ++k) {
        if (index >= rows_ || column_ + k >= columns_) continue;
        const bf16* source = matrix_.at(row, matrix_.column(column_ + k));
        if (source) words[k / 2] |= static_cast<uint32_t>(source->bits) << k % 2 * 16;
      }
      store_shared_16(Parts::target(first, i), words);
    }
  }

  Matrix matrix_;
  int row_, column_, rows_, columns_;
  // What stays the same from tile to tile.
  typename Matrix::Row kept_rows_[kKMajor ? Parts::kCount : 1];
  typename Matrix::Column kept_column_;
};

// Gives fours of f32 as DenseFloats does.
template <class Matrix, bool kKMajor>
struct GatherFloats {
  static constexpr bool k_major = kKMajor;

  const Matrix& matrix;
  int extent;
  i64 k_end;
  bool aligned;  // as kAligned of GatherLoader, for 4 columns

  __device__ __forceinline__ Vector<f32> four(int at, i64 k) const {
    const int index = kKMajor ? at : static_cast<int>(k), begin = kKMajor ? static_cast<int>(k) : at;
    const i64 rows = kKMajor ? extent : k_end, columns = kKMajor ? k_end : extent;
    Vector<f32> vector{};
    if (index >= rows || begin >= columns) return vector;
    const auto row = matrix.row(index);
    if (aligned) {
      const f32* source = matrix.at(row, matrix.column(begin));
      return source ? load_vector(source) : vector;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const f32* source = begin + i < columns ? matrix.at(row, matrix.column(begin + i)) : nullptr;
      if (source) vector.elements[i] = *source;
    }
    return vector;
  }
};

}  // namespace transfusion::cuda
