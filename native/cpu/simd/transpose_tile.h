// Transposing in registers and from tile to tile, compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_TRANSPOSE_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_TRANSPOSE_TILE_H
#undef TRANSFUSION_TRANSPOSE_TILE_H
#else
#define TRANSFUSION_TRANSPOSE_TILE_H
#endif

#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// quads[g][c]: its b-th 128 bits are element 4 b + c of rows 4 g .. 4 g + 3; a row begins `stride` after the
// one before it.
template <class D, int Groups>
HWY_INLINE void LoadQuads(D d, hn::Vec<D> (&quads)[Groups][4], const float* from, i64 stride) {
  using V = hn::Vec<D>;
  const hn::Repartition<double, D> pairs;
  const auto low = [&](V a, V b) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveLower(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
  const auto high = [&](V a, V b) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveUpper(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
#pragma GCC unroll 4
  for (int g = 0; g < Groups; ++g) {
    const float* rows = from + 4 * g * stride;
    const V row0 = hn::LoadU(d, rows), row1 = hn::LoadU(d, rows + stride);
    const V row2 = hn::LoadU(d, rows + 2 * stride), row3 = hn::LoadU(d, rows + 3 * stride);
    const V low01 = hn::InterleaveLower(d, row0, row1), high01 = hn::InterleaveUpper(d, row0, row1);
    const V low23 = hn::InterleaveLower(d, row2, row3), high23 = hn::InterleaveUpper(d, row2, row3);
    quads[g][0] = low(low01, low23);
    quads[g][1] = high(low01, low23);
    quads[g][2] = low(high01, high23);
    quads[g][3] = high(high01, high23);
  }
}
#endif

// columns[c] = element c of each of kMaxLanes rows, without a tile in memory, where kTransposesRegisters.
#if HWY_TARGET == HWY_AVX2
inline constexpr bool kTransposesRegisters = true;
HWY_INLINE void TransposeRegisters(Vec* columns, const float* from, i64 stride) {
  Vec quads[2][4];
  LoadQuads(f32_tag, quads, from, stride);
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    columns[c] = hn::ConcatLowerLower(f32_tag, quads[1][c], quads[0][c]);
    columns[4 + c] = hn::ConcatUpperUpper(f32_tag, quads[1][c], quads[0][c]);
  }
}
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
inline constexpr bool kTransposesRegisters = true;
// Intrinsics, as Highway 1.0.3 moves no blocks of 128 bits between two vectors in this way.
HWY_INLINE void TransposeRegisters(Vec* columns, const float* from, i64 stride) {
  Vec quads[4][4];
  LoadQuads(f32_tag, quads, from, stride);
  constexpr int kEven = 0x88, kOdd = 0xdd;
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 upper_even = _mm512_shuffle_f32x4(quads[0][c].raw, quads[1][c].raw, kEven);
    const __m512 upper_odd = _mm512_shuffle_f32x4(quads[0][c].raw, quads[1][c].raw, kOdd);
    const __m512 lower_even = _mm512_shuffle_f32x4(quads[2][c].raw, quads[3][c].raw, kEven);
    const __m512 lower_odd = _mm512_shuffle_f32x4(quads[2][c].raw, quads[3][c].raw, kOdd);
    columns[c] = Vec{_mm512_shuffle_f32x4(upper_even, lower_even, kEven)};
    columns[4 + c] = Vec{_mm512_shuffle_f32x4(upper_odd, lower_odd, kEven)};
    columns[8 + c] = Vec{_mm512_shuffle_f32x4(upper_even, lower_even, kOdd)};
    columns[12 + c] = Vec{_mm512_shuffle_f32x4(upper_odd, lower_odd, kOdd)};
  }
}
#else
inline constexpr bool kTransposesRegisters = false;
HWY_INLINE void TransposeRegisters(Vec*, const float*, i64) {}
#endif

// to[c, i] = from[i, c], for i < count and c < width, both rounded up to multiples of four.
HWY_INLINE void TransposeTile(float* to, i64 to_stride, const float* from, i64 from_stride, i64 count,
                              i64 width) {
  if (kTransposesRegisters && count % kMaxLanes == 0 && width % kMaxLanes == 0) {
    for (i64 i = 0; i < count; i += kMaxLanes)
      for (i64 c = 0; c < width; c += kMaxLanes) {
        Vec columns[kMaxLanes];
        TransposeRegisters(columns, from + i * from_stride + c, from_stride);
#pragma GCC unroll 16
        for (int j = 0; j < kMaxLanes; ++j) store(columns[j], to + (c + j) * to_stride + i);
      }
    return;
  }
#if HWY_TARGET == HWY_SCALAR
  for (i64 i = 0; i < count; ++i)
    for (i64 c = 0; c < width; ++c) to[c * to_stride + i] = from[i * from_stride + c];
#else
  const hn::FixedTag<float, 4> four;
  for (i64 i = 0; i < count; i += 4)
    for (i64 c = 0; c < width; c += 4) {
      hn::Vec<decltype(four)> quads[1][4];
      LoadQuads(four, quads, from + i * from_stride + c, from_stride);
      for (int j = 0; j < 4; ++j) hn::StoreU(quads[0][j], four, to + (c + j) * to_stride + i);
    }
#endif
}

// columns[c] = element c of each of lanes() rows, for c < lanes().
HWY_INLINE void LoadColumns(Vec* columns, const float* from, i64 stride) {
  if (kTransposesRegisters) return TransposeRegisters(columns, from, stride);
  HWY_ALIGN float tile[kMaxLanes * kMaxLanes];
  TransposeTile(tile, lanes(), from, stride, lanes(), lanes());
  for (i64 c = 0; c < lanes(); ++c) columns[c] = load(tile + c * lanes());
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
