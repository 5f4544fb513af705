// Small matrices in scratch for kernels that work tile by tile: loading, transposing, and one product for all
// of them, compiled once per SIMD target as simd.h is. A tile is f32; its rows are padded with zeros to whole
// vectors: a product may compute into the padding, and reads no operand beyond it.
#if defined(TRANSFUSION_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_TILE_H
#undef TRANSFUSION_TILE_H
#else
#define TRANSFUSION_TILE_H
#endif

#include <cmath>

#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

HWY_INLINE i64 padded(i64 count) { return ceil_div(count, lanes()) * lanes(); }

// tile[i, 0 .. width) = factor rows[begin + i], for i < count.
template <class Rows>
HWY_INLINE void LoadTile(float* tile, i64 stride, const Rows& rows, i64 begin, i64 count, i64 width,
                         float factor) {
  const Vec multiplier = set(factor);
  for (i64 i = 0; i < count; ++i) {
    const auto* row = rows[begin + i];
    for_each(width, [&](i64 c, auto io)
                        HWY_ATTR { store(hn::Mul(io.load(row + c), multiplier), tile + i * stride + c); });
  }
}

template <class Rows>
HWY_INLINE void StoreRow(const Rows& rows, i64 row, const float* values, i64 width, float factor) {
  const Vec multiplier = set(factor);
  auto* out = rows[row];
  for_each(width, [&](i64 c, auto io) HWY_ATTR { io.store(hn::Mul(load(values + c), multiplier), out + c); });
}

HWY_INLINE void ZeroTile(float* tile, i64 stride, i64 count) {
  std::memset(tile, 0, static_cast<size_t>(count * stride) * sizeof(float));
}

// to[c, i] = from[i, c], for i < count and c < width, both rounded up to multiples of four.
HWY_INLINE void TransposeTile(float* to, i64 to_stride, const float* from, i64 from_stride, i64 count,
                              i64 width) {
#if HWY_TARGET == HWY_SCALAR
  for (i64 i = 0; i < count; ++i)
    for (i64 c = 0; c < width; ++c) to[c * to_stride + i] = from[i * from_stride + c];
#else
  const hn::FixedTag<float, 4> four;
  const hn::Repartition<double, decltype(four)> pairs;
  const auto low = [&](auto a, auto b) HWY_ATTR {
    return hn::BitCast(four, hn::InterleaveLower(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
  const auto high = [&](auto a, auto b) HWY_ATTR {
    return hn::BitCast(four, hn::InterleaveUpper(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
  for (i64 i = 0; i < count; i += 4)
    for (i64 c = 0; c < width; c += 4) {
      const float* source = from + i * from_stride + c;
      const auto row0 = hn::LoadU(four, source), row1 = hn::LoadU(four, source + from_stride);
      const auto row2 = hn::LoadU(four, source + 2 * from_stride);
      const auto row3 = hn::LoadU(four, source + 3 * from_stride);
      const auto low01 = hn::InterleaveLower(four, row0, row1),
                 high01 = hn::InterleaveUpper(four, row0, row1);
      const auto low23 = hn::InterleaveLower(four, row2, row3),
                 high23 = hn::InterleaveUpper(four, row2, row3);
      float* target = to + c * to_stride + i;
      hn::StoreU(low(low01, low23), four, target);
      hn::StoreU(high(low01, low23), four, target + to_stride);
      hn::StoreU(low(high01, high23), four, target + 2 * to_stride);
      hn::StoreU(high(high01, high23), four, target + 3 * to_stride);
    }
#endif
}

// 2^x; 0 below 2^-125. The polynomial is Cephes' exp2f, good to 2 units in the last place for |x| <= 1/2.
HWY_INLINE Vec Exp2(Vec x) {
  const hn::RebindToSigned<F32> i32_tag;
  const Vec whole = hn::Round(x), f = hn::Sub(x, whole);
  Vec y = set(1.535336188319500e-4f);
  y = hn::MulAdd(y, f, set(1.339887440266574e-3f));
  y = hn::MulAdd(y, f, set(9.618437357674640e-3f));
  y = hn::MulAdd(y, f, set(5.550332471162809e-2f));
  y = hn::MulAdd(y, f, set(2.402264791363012e-1f));
  y = hn::MulAdd(y, f, set(6.931472028550421e-1f));
  y = hn::MulAdd(y, f, set(1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(i32_tag, whole));
  const Vec power = hn::BitCast(f32_tag, hn::Add(hn::BitCast(i32_tag, y), exponent));
  return hn::IfThenZeroElse(hn::Lt(x, set(-125.0f)), power);
}

// The left operand of a product: a tile as it lies, or read as its transpose.
struct AsIs {
  const float* data;
  i64 stride;
  HWY_INLINE const float* at(i64 row, i64 column) const { return data + row * stride + column; }
};
struct Transposed {
  const float* data;
  i64 stride;
  HWY_INLINE const float* at(i64 row, i64 column) const { return data + column * stride + row; }
};

// MR rows by NR vectors of c, in registers over the whole depth.
template <int MR, int NR, class Left>
HWY_INLINE void ProductBlock(float* c, i64 c_stride, const Left& a, i64 row, const float* b, i64 b_stride,
                             i64 depth, bool add) {
  Vec sums[MR][NR];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) sums[i][j] = add ? load(c + i * c_stride + j * lanes()) : zero();
  for (i64 p = 0; p < depth; ++p) {
    Vec right[NR];
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) right[j] = load(b + p * b_stride + j * lanes());
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const Vec left = set(*a.at(row + i, p));
#pragma GCC unroll 16
      for (int j = 0; j < NR; ++j) sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) store(sums[i][j], c + i * c_stride + j * lanes());
}

template <int NR, class Left>
HWY_INLINE void ProductPanel(float* c, i64 c_stride, const Left& a, const float* b, i64 b_stride, i64 rows,
                             i64 depth, bool add) {
  constexpr int kRegisters = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR ? 16 : 32;
  constexpr int kRows = std::min(12, (kRegisters - 1 - NR) / NR);
  i64 row = 0;
  for (; row + kRows <= rows; row += kRows)
    ProductBlock<kRows, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
  for (; row + 4 <= rows; row += 4)
    ProductBlock<4, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
  for (; row < rows; ++row)
    ProductBlock<1, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
}

// c [rows, width] = a b, or += where `add`; a [rows, depth], b [depth, width], width padded to whole vectors.
// Each element is one chain of fused multiply-adds over ascending depth, however the work is blocked.
template <class Left>
void Product(float* c, i64 c_stride, const Left& a, const float* b, i64 b_stride, i64 rows, i64 width,
             i64 depth, bool add) {
  constexpr i64 kMost = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR ? 2 : 4;
  i64 vectors = ceil_div(width, lanes());
  while (vectors > 0) {
    const i64 panel = ceil_div(vectors, ceil_div(vectors, kMost));
    if (panel == 1) ProductPanel<1>(c, c_stride, a, b, b_stride, rows, depth, add);
    if (panel == 2) ProductPanel<2>(c, c_stride, a, b, b_stride, rows, depth, add);
    if constexpr (kMost == 4) {
      if (panel == 3) ProductPanel<3>(c, c_stride, a, b, b_stride, rows, depth, add);
      if (panel == 4) ProductPanel<4>(c, c_stride, a, b, b_stride, rows, depth, add);
    }
    c += panel * lanes();
    b += panel * lanes();
    vectors -= panel;
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
