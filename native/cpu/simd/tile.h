// Small matrices ("tiles") in scratch, for kernels that work tile by tile: loading, transposing, and one
// product for all of them. Compiled once per SIMD target as simd.h is. A tile holds words: f32 or, as
// operands of products on CPUs that multiply bf16, pairs of bf16 along the axis that the product sums over
// (see simd/amx.h for their layout). Rows are padded with zeros to whole vectors: a product may write to the
// padding, and reads no operand beyond it.
#if defined(TRANSFUSION_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_TILE_H
#undef TRANSFUSION_TILE_H
#else
#define TRANSFUSION_TILE_H
#endif

#include <hwy/cache_control.h>

#include <cmath>
#include <type_traits>

#include "cpu/runtime/processor.h"
#include "cpu/simd/simd.h"
#include "cpu/simd/transpose_tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

HWY_INLINE i64 padded(i64 count) { return round_up(count, lanes()); }

// Kinds of words of a product's operands: how many elements a word holds, and what a word of each operand
// adds to a sum. All are loaded and stored as f32, whatever their bits.
struct F32Words {
  static constexpr i64 kDepth = 1;
  static constexpr bool kAmx = false;
  static constexpr uint32_t kSignBits = 0x80000000;
  static HWY_INLINE Vec MulAdd(Vec a, Vec b, Vec sum) { return hn::MulAdd(a, b, sum); }
};

// The elements of pairs of bf16, the first and the second ones, widened.
HWY_INLINE Vec FirstOfPairs(Vec pairs) {
  return hn::BitCast(f32_tag, hn::ShiftLeft<16>(hn::BitCast(U32(), pairs)));
}
HWY_INLINE Vec SecondOfPairs(Vec pairs) {
  return hn::And(pairs, hn::BitCast(f32_tag, hn::Set(U32(), 0xffff0000)));
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Index tables for permuting the 64 bf16 of two vectors into pairs: of the two vectors' lower halves, or
// upper ones, or of one vector's two halves; or for taking the first or second elements of two vectors'
// pairs.
struct PairOrder {
  alignas(64) uint16_t lower[32], upper[32], halves[32], firsts[32], seconds[32];
  constexpr PairOrder() : lower(), upper(), halves(), firsts(), seconds() {
    for (uint16_t i = 0; i < 32; ++i) {
      lower[i] = static_cast<uint16_t>(i / 2 + i % 2 * 32);
      upper[i] = static_cast<uint16_t>(lower[i] + 16);
      halves[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
      firsts[i] = static_cast<uint16_t>(2 * i);
      seconds[i] = static_cast<uint16_t>(2 * i + 1);
    }
  }
};
inline constexpr PairOrder kPairOrder;

// For CPUs with has_native_bf16(). Assembly, as Highway 1.0.3 does not know these instructions, and a
// function for a target of their own could not be inlined into the templates that all words share.
struct Bf16Pairs {
  static constexpr i64 kDepth = 2;
  static constexpr bool kAmx = false;
  static constexpr uint32_t kSignBits = 0x80008000;
  static HWY_INLINE Vec MulAdd(Vec a, Vec b, Vec sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
  }
  // Two vectors rounded to bf16: all of `first`, then all of `second`.
  static HWY_INLINE Vec Round(Vec first, Vec second) {
    Vec both;
    asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both.raw) : "v"(first.raw), "v"(second.raw));
    return both;
  }
  // What Round gave, as pairs of first[i] and second[i].
  static HWY_INLINE Vec PairUp(Vec both) { return Permute(both, kPairOrder.halves, both); }
  // The first elements of a's pairs, then of b's, and the second ones.
  static HWY_INLINE Vec FirstHalves(Vec a, Vec b) { return Permute(a, kPairOrder.firsts, b); }
  static HWY_INLINE Vec SecondHalves(Vec a, Vec b) { return Permute(a, kPairOrder.seconds, b); }
  // to[i] = pairs of from's rows 2 i and 2 i + 1, of `elements` bf16 each, for an even count of rows.
  static HWY_INLINE void PairRows(float* to, const float* from, i64 count, i64 elements) {
    const i64 stride = padded(ceil_div(elements, 2));
    for (i64 i = 0; i < count; i += 2, to += 2 * stride, from += 2 * stride)
      for (i64 c = 0; c < stride; c += lanes()) {
        const Vec first = load(from + c), second = load(from + stride + c);
        store(Permute(first, kPairOrder.lower, second), to + 2 * c);
        store(Permute(first, kPairOrder.upper, second), to + 2 * c + lanes());
      }
  }
  // to [kMaxLanes, kMaxLanes]: row i has pairs of from's rows 2 i and 2 i + 1; rows are a stride apart. For
  // any CPU.
  template <class T>
  static HWY_INLINE void PairTile(float* to, i64 to_stride, const T* from, i64 stride) {
    static_assert(sizeof(T) == sizeof(bf16));
    for (i64 i = 0; i < kMaxLanes; ++i, from += 2 * stride, to += to_stride) {
      const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
      const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + stride));
      const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
      store(PairUp(Vec{_mm512_castsi512_ps(both)}), to);
    }
  }

 private:
  static HWY_INLINE Vec Permute(Vec a, const uint16_t* order, Vec b) {
    const auto permuted = _mm512_permutex2var_epi16(_mm512_castps_si512(a.raw), _mm512_load_si512(order),
                                                    _mm512_castps_si512(b.raw));
    return Vec{_mm512_castsi512_ps(permuted)};
  }
};
#else
using Bf16Pairs = F32Words;  // has_native_bf16() is false
#endif

// Calls body(Words{}) with the words in which elements of T are multiplied; Widened: for bf16 on CPUs that do
// not multiply it.
template <class T, class Widened = F32Words, class Body>
HWY_INLINE void with_words(const Body& body) {
  if constexpr (std::is_same_v<T, float>)
    body(F32Words{});
  else if (has_native_bf16())
    body(Bf16Pairs{});
  else
    body(Widened{});
}

// Words in a row of `elements`, and in its padded form.
template <class Words>
HWY_INLINE i64 words(i64 elements) {
  return ceil_div(elements, Words::kDepth);
}
template <class Words>
HWY_INLINE i64 padded_words(i64 elements) {
  return padded(words<Words>(elements));
}

// Prefetches the i-th of n equal shares of rows [begin, end): rows of one head lie too far apart for the
// CPU's own prefetching.
template <class Rows>
HWY_INLINE void PrefetchShare(const Rows& rows, i64 begin, i64 end, i64 i, i64 n) {
  if (begin >= end) return;
  const i64 line = 64 / static_cast<i64>(sizeof *rows[begin]), count = end - begin;
  for (i64 row = begin + count * i / n; row < begin + count * (i + 1) / n; ++row)
    for (i64 c = 0; c < rows.D; c += line) hwy::Prefetch(rows[row] + c);
}

// tile[i] = rows[begin + i] as words along the row, for i < count.
template <class Words, class Rows>
HWY_INLINE void LoadTile(float* tile, i64 stride, const Rows& rows, i64 begin, i64 count) {
  for (i64 i = 0; i < count; ++i) {
    const auto* row = rows[begin + i];
    float* to = tile + i * stride;
    if constexpr (Words::kDepth == 1) {
      for_each(rows.D, [&](i64 c, auto io) HWY_ATTR { store(io.load(row + c), to + c); });
    } else {
      const i64 whole = rows.D / (2 * lanes()) * lanes();
      for (i64 c = 0; c < whole; c += lanes()) store(load(reinterpret_cast<const float*>(row) + c), to + c);
      if (2 * whole == rows.D) continue;
      store(zero(), to + whole);
      std::memcpy(to + whole, row + 2 * whole, static_cast<size_t>(rows.D - 2 * whole) * sizeof *row);
    }
  }
}

template <class Words>
HWY_INLINE void FlipSigns(float* tile, i64 count) {
  const Vec signs = hn::BitCast(f32_tag, hn::Set(U32(), Words::kSignBits));
  for (i64 i = 0; i < count; i += lanes()) store(hn::Xor(load(tile + i), signs), tile + i);
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
template <class Words, int MR, int NR, class Left>
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
      for (int j = 0; j < NR; ++j) sums[i][j] = Words::MulAdd(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) store(sums[i][j], c + i * c_stride + j * lanes());
}

template <class Words, int NR, class Left>
HWY_INLINE void ProductPanel(float* c, i64 c_stride, const Left& a, const float* b, i64 b_stride, i64 rows,
                             i64 depth, bool add) {
  constexpr int kRegisters = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR ? 16 : 32;
  constexpr int kRows = std::min(12, (kRegisters - 1 - NR) / NR);
  i64 row = 0;
  for (; row + kRows <= rows; row += kRows)
    ProductBlock<Words, kRows, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
  for (; row + 4 <= rows; row += 4)
    ProductBlock<Words, 4, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
  for (; row + 2 <= rows; row += 2)
    ProductBlock<Words, 2, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
  for (; row < rows; ++row)
    ProductBlock<Words, 1, NR>(c + row * c_stride, c_stride, a, row, b, b_stride, depth, add);
}

// c [rows, width] = a b, or += where `add`; a [rows, depth], b [depth, width], width padded to whole vectors,
// depth in words. Each element is one chain of fused multiply-adds over ascending depth, however the work is
// blocked.
template <class Words, class Left>
void Product(float* c, i64 c_stride, const Left& a, const float* b, i64 b_stride, i64 rows, i64 width,
             i64 depth, bool add) {
  constexpr i64 kMaxPanel = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR ? 2 : 4;
  i64 vectors = ceil_div(width, lanes());
  while (vectors > 0) {
    const i64 panel = ceil_div(vectors, ceil_div(vectors, kMaxPanel));
    if (panel == 1) ProductPanel<Words, 1>(c, c_stride, a, b, b_stride, rows, depth, add);
    if (panel == 2) ProductPanel<Words, 2>(c, c_stride, a, b, b_stride, rows, depth, add);
    if constexpr (kMaxPanel == 4) {
      if (panel == 3) ProductPanel<Words, 3>(c, c_stride, a, b, b_stride, rows, depth, add);
      if (panel == 4) ProductPanel<Words, 4>(c, c_stride, a, b, b_stride, rows, depth, add);
    }
    c += panel * lanes();
    b += panel * lanes();
    vectors -= panel;
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
