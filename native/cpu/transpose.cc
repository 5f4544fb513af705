// Two axes change places, seen as [a, n0, b, n1, c] -> [a, n1, b, n0, c]; its own backward. Where c is 1,
// blocks are transposed in registers and stored as whole cache lines, tile by tile; the tiles of a band
// follow y's rows. Parallel over bands of rows, otherwise over runs of the output.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/transpose.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kTile = 64;

// y [kMaxLanes, block rows] from columns of x; with stores that bypass the caches where kNonTemporal.
template <bool kNonTemporal, class T>
HWY_INLINE void StoreColumns(T* y, i64 y_stride, const Vec* columns) {
#pragma GCC unroll 16
  for (i64 i = 0; i < kMaxLanes; ++i) {
    auto* line = reinterpret_cast<float*>(y + i * y_stride);
    if constexpr (kNonTemporal)
      hn::Stream(columns[i], f32_tag, line);
    else
      store(columns[i], line);
  }
}

// x [block rows, kMaxLanes]; rows are a stride apart.
template <bool kNonTemporal>
HWY_INLINE void TransposeBlock(uint32_t* y, i64 y_stride, const uint32_t* x, i64 x_stride) {
  Vec columns[kMaxLanes];
  TransposeRegisters(columns, reinterpret_cast<const float*>(x), x_stride);
  StoreColumns<kNonTemporal>(y, y_stride, columns);
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
template <class T>
constexpr i64 kBlockRows = 64 / sizeof(T);

template <bool kNonTemporal>
HWY_INLINE void TransposeBlock(uint16_t* y, i64 y_stride, const uint16_t* x, i64 x_stride) {
  HWY_ALIGN float pairs[kMaxLanes * kMaxLanes];
  Bf16Pairs::PairTile(pairs, kMaxLanes, x, x_stride);
  Vec columns[kMaxLanes];
  TransposeRegisters(columns, pairs, kMaxLanes);
  StoreColumns<kNonTemporal>(y, y_stride, columns);
}
#else
// 0: blocks are not transposed in registers.
template <class T>
constexpr i64 kBlockRows = kTransposesRegisters && sizeof(T) == sizeof(float) ? kMaxLanes : 0;

template <bool kNonTemporal>
HWY_INLINE void TransposeBlock(uint16_t*, i64, const uint16_t*, i64) {}
#endif

// [rows, columns] -> [columns, rows]
template <class T>
HWY_INLINE void TransposeElements(T* y, i64 y_stride, const T* x, i64 x_stride, i64 rows, i64 columns) {
  for (i64 j = 0; j < columns; ++j)
    for (i64 i = 0; i < rows; ++i) y[j * y_stride + i] = x[i * x_stride + j];
}

// As above, of at most kTile rows and columns; prefetches the next tile of x.
template <bool kNonTemporal, class T>
HWY_INLINE void TransposeTileOf(T* y, i64 y_stride, const T* x, i64 x_stride, i64 rows, i64 columns) {
  for (i64 i = 0; i < rows; ++i)
    for (i64 line = 0; line < kTile * static_cast<i64>(sizeof(T)); line += 64)
      hwy::Prefetch(reinterpret_cast<const char*>(x + i * x_stride + kTile) + line);
  i64 whole_rows = 0, whole_columns = 0;
  if constexpr (kBlockRows<T> != 0) {
    whole_rows = round_down(rows, kBlockRows<T>), whole_columns = round_down(columns, kMaxLanes);
    for (i64 j = 0; j < whole_columns; j += kMaxLanes)
      for (i64 i = 0; i < whole_rows; i += kBlockRows<T>)
        TransposeBlock<kNonTemporal>(y + j * y_stride + i, y_stride, x + i * x_stride + j, x_stride);
  }
  TransposeElements(y + whole_columns * y_stride, y_stride, x + whole_columns, x_stride, whole_rows,
                    columns - whole_columns);
  TransposeElements(y + whole_rows, y_stride, x + whole_rows * x_stride, x_stride, rows - whole_rows,
                    columns);
}

template <bool kNonTemporal, class T>
void TransposeMatrices(T* y, const T* x, i64 a, i64 n0, i64 b, i64 n1) {
  const i64 bands = ceil_div(n0, kTile);
  parallel_for(a * b * bands, row_grain(kTile * n1), [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 task = begin; task < end; ++task) {
      const i64 row = task % bands * kTile, j = task / bands % b, outer = task / bands / b;
      T* to = y + (outer * n1 * b + j) * n0 + row;
      const T* from = x + ((outer * n0 + row) * b + j) * n1;
      for (i64 column = 0; column < n1; column += kTile)
        TransposeTileOf<kNonTemporal>(to + column * b * n0, b * n0, from + column, b * n1,
                                      std::min(kTile, n0 - row), std::min(kTile, n1 - column));
    }
    if (kNonTemporal) hwy::FlushStream();
  });
}

template <class T>
void Transpose(T* y, const T* x, i64 a, i64 n0, i64 b, i64 n1) {
  constexpr i64 kLine = 64;
  const i64 bytes = a * n0 * b * n1 * static_cast<i64>(sizeof(T));
  const bool whole_lines = kBlockRows<T> * sizeof(T) == kLine &&
                           reinterpret_cast<uintptr_t>(y) % kLine == 0 &&
                           n0 * static_cast<i64>(sizeof(T)) % kLine == 0;
  if (whole_lines && bytes >= kNonTemporalBytes)
    TransposeMatrices<true>(y, x, a, n0, b, n1);
  else
    TransposeMatrices<false>(y, x, a, n0, b, n1);
}

}  // namespace

void TransposeWords(uint32_t* y, const uint32_t* x, i64 a, i64 n0, i64 b, i64 n1) {
  Transpose(y, x, a, n0, b, n1);
}
void TransposeHalves(uint16_t* y, const uint16_t* x, i64 a, i64 n0, i64 b, i64 n1) {
  Transpose(y, x, a, n0, b, n1);
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(TransposeWords);
HWY_EXPORT(TransposeHalves);

namespace {

i64 product(const TensorView& x, i64 begin, i64 end) {
  i64 result = 1;
  for (i64 axis = begin; axis < end; ++axis) result *= x.shape[axis];
  return result;
}

void transpose_runs(char* y, const char* x, i64 a, i64 n0, i64 b, i64 n1, i64 bytes) {
  parallel_for(a * n1 * b * n0, row_grain(bytes / 4), [&](i64 begin, i64 end) {
    for (i64 run = begin; run < end; ++run) {
      const i64 i = run % n0, j = run / n0 % b, k = run / n0 / b % n1, outer = run / n0 / b / n1;
      std::memcpy(y + run * bytes, x + (((outer * n0 + i) * b + j) * n1 + k) * bytes,
                  static_cast<size_t>(bytes));
    }
  });
}

}  // namespace

Status transpose(Context&, Out y, In x, i64 axis0, i64 axis1) {
  const i64 first = std::min(axis0, axis1), second = std::max(axis0, axis1);
  const i64 a = product(x, 0, first), n0 = x.shape[first], b = product(x, first + 1, second);
  const i64 n1 = x.shape[second], c = product(x, second + 1, x.rank);
  if (c != 1)
    transpose_runs(y.as<char>(), x.as<char>(), a, n0, b, n1, c * static_cast<i64>(dtype_size(x.dtype)));
  else if (dtype_size(x.dtype) == sizeof(uint32_t))
    HWY_DYNAMIC_DISPATCH(TransposeWords)(y.as<uint32_t>(), x.as<uint32_t>(), a, n0, b, n1);
  else
    HWY_DYNAMIC_DISPATCH(TransposeHalves)(y.as<uint16_t>(), x.as<uint16_t>(), a, n0, b, n1);
  return ok();
}

}  // namespace transfusion::cpu
#endif
