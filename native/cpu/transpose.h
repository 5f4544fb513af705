// Transposing in registers and from tile to tile, compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_TRANSPOSE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_TRANSPOSE_H
#undef TRANSFUSION_TRANSPOSE_H
#else
#define TRANSFUSION_TRANSPOSE_H
#endif

#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// columns[c] = element c of each of 16 rows; a row begins `stride` after the one before it. Intrinsics, as
// Highway 1.0.3 moves no blocks of 128 bits between two vectors in this way.
HWY_INLINE void LoadColumns16(Vec* columns, const float* from, i64 stride) {
  __m512 quads[4][4];  // [g][c]: its b-th 128 bits are column 4 b + c of rows 4 g .. 4 g + 3
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    const float* rows = from + 4 * g * stride;
    const __m512 row0 = _mm512_loadu_ps(rows), row1 = _mm512_loadu_ps(rows + stride);
    const __m512 row2 = _mm512_loadu_ps(rows + 2 * stride), row3 = _mm512_loadu_ps(rows + 3 * stride);
    const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(row0, row1));
    const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(row0, row1));
    const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(row2, row3));
    const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(row2, row3));
    quads[g][0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
    quads[g][1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
    quads[g][2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
    quads[g][3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
  }
  constexpr int kEven = 0x88, kOdd = 0xdd;
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 upper_even = _mm512_shuffle_f32x4(quads[0][c], quads[1][c], kEven);
    const __m512 upper_odd = _mm512_shuffle_f32x4(quads[0][c], quads[1][c], kOdd);
    const __m512 lower_even = _mm512_shuffle_f32x4(quads[2][c], quads[3][c], kEven);
    const __m512 lower_odd = _mm512_shuffle_f32x4(quads[2][c], quads[3][c], kOdd);
    columns[c] = Vec{_mm512_shuffle_f32x4(upper_even, lower_even, kEven)};
    columns[4 + c] = Vec{_mm512_shuffle_f32x4(upper_odd, lower_odd, kEven)};
    columns[8 + c] = Vec{_mm512_shuffle_f32x4(upper_even, lower_even, kOdd)};
    columns[12 + c] = Vec{_mm512_shuffle_f32x4(upper_odd, lower_odd, kOdd)};
  }
}
#elif HWY_TARGET == HWY_AVX2
// columns[c] = element c of each of 8 rows; a row begins `stride` after the one before it.
HWY_INLINE void LoadColumns8(Vec* columns, const float* from, i64 stride) {
  __m256 quads[2][4];  // [g][c]: its b-th 128 bits are column 4 b + c of rows 4 g .. 4 g + 3
#pragma GCC unroll 2
  for (int g = 0; g < 2; ++g) {
    const float* rows = from + 4 * g * stride;
    const __m256 row0 = _mm256_loadu_ps(rows), row1 = _mm256_loadu_ps(rows + stride);
    const __m256 row2 = _mm256_loadu_ps(rows + 2 * stride), row3 = _mm256_loadu_ps(rows + 3 * stride);
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(row0, row1));
    const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(row0, row1));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(row2, row3));
    const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(row2, row3));
    quads[g][0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    quads[g][1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    quads[g][2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    quads[g][3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
  }
  constexpr int kLower = 0x20, kUpper = 0x31;
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    columns[c] = Vec{_mm256_permute2f128_ps(quads[0][c], quads[1][c], kLower)};
    columns[4 + c] = Vec{_mm256_permute2f128_ps(quads[0][c], quads[1][c], kUpper)};
  }
}
#endif

// to[c, i] = from[i, c], for i < count and c < width, both rounded up to multiples of four.
HWY_INLINE void TransposeTile(float* to, i64 to_stride, const float* from, i64 from_stride, i64 count,
                              i64 width) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  if (count % 16 == 0 && width % 16 == 0) {
    for (i64 i = 0; i < count; i += 16)
      for (i64 c = 0; c < width; c += 16) {
        Vec columns[16];
        LoadColumns16(columns, from + i * from_stride + c, from_stride);
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) store(columns[j], to + (c + j) * to_stride + i);
      }
    return;
  }
#endif
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

// columns[c] = element c of each of lanes() rows, for c < lanes().
HWY_INLINE void LoadColumns(Vec* columns, const float* from, i64 stride) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  LoadColumns16(columns, from, stride);
#elif HWY_TARGET == HWY_AVX2
  LoadColumns8(columns, from, stride);
#else
  HWY_ALIGN float tile[kMaxLanes * kMaxLanes];
  TransposeTile(tile, lanes(), from, stride, lanes(), lanes());
  for (i64 c = 0; c < lanes(); ++c) columns[c] = load(tile + c * lanes());
#endif
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
