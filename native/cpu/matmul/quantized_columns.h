// Rows of quantised weights in registers: a group of 32 values of lanes() rows as eight vectors of four bytes
// for each row ("columns"), and the dot products of such vectors. For AVX2 and AVX-512, compiled once for
// each; include it after cpu/simd/simd.h.
#if defined(TRANSFUSION_QUANTIZED_COLUMNS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_QUANTIZED_COLUMNS_H
#undef TRANSFUSION_QUANTIZED_COLUMNS_H
#else
#define TRANSFUSION_QUANTIZED_COLUMNS_H
#endif

#include "cpu/simd/simd.h"
#include "shared/blocks.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

using I32 = hn::RebindToSigned<F32>;
using Ints = hn::Vec<I32>;
inline constexpr I32 i32_tag;
inline constexpr int kColumns = 8;

#if HWY_TARGET <= HWY_AVX3
// With VPDPBUSD, which takes weights without a sign: 8 bits are offset by 128.
struct Dot {
  static constexpr bool kIsSigned = false;
  // sum + the products of four bytes of each lane with those at x.
  static HWY_INLINE Ints Add(Ints sum, Ints weights, const int8_t* x) {
    asm("vpdpbusd %2%{1to16%}, %1, %0"
        : "+v"(sum.raw)
        : "v"(weights.raw), "m"(*reinterpret_cast<const int32_t(*)>(x)));
    return sum;
  }
  // The same for kCount columns.
  template <int kBits, int kCount>
  static HWY_INLINE Ints Sum(Ints start, const Ints* columns, const int8_t* x) {
    // Two chains: each instruction waits for the sum before it.
    Ints sum = start, other = hn::Zero(i32_tag);
#pragma GCC unroll 8
    for (int c = 0; c < kCount; c += 2) {
      sum = Add(sum, columns[c], x + 4 * c);
      other = Add(other, columns[c + 1], x + 4 * c + 4);
    }
    return hn::Add(sum, other);
  }
};

// Words c of the rows in each of four vectors, a vector for each c; words that are not used cost nothing.
HWY_INLINE void TransposeWords(__m512i* words, const __m512i* rows) {
  const __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]), b = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i c = _mm512_unpacklo_epi32(rows[2], rows[3]), d = _mm512_unpackhi_epi32(rows[2], rows[3]);
  words[0] = _mm512_unpacklo_epi64(a, c);
  words[1] = _mm512_unpackhi_epi64(a, c);
  words[2] = _mm512_unpacklo_epi64(b, d);
  words[3] = _mm512_unpackhi_epi64(b, d);
}

// 16 bytes of each of 16 rows, as four vectors of one word of each row.
HWY_INLINE void LoadWords(Ints* words, const uint8_t* from, i64 stride) {
  // Addresses of a base and a multiple of the stride are part of the instruction.
  const uint8_t* bases[4] = {from, from + 4 * stride, from + 8 * stride, from + 12 * stride};
  __m512i rows[4], transposed[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const auto load = [&](int base) HWY_ATTR {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bases[base] + j * stride));
    };
    __m512i v = _mm512_castsi128_si512(load(0));
    v = _mm512_inserti32x4(v, load(1), 1);
    v = _mm512_inserti32x4(v, load(2), 2);
    rows[j] = _mm512_inserti32x4(v, load(3), 3);
  }
  TransposeWords(transposed, rows);
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) words[c] = Ints{transposed[c]};
}

// 32 bytes of each of 16 rows, as eight vectors: half the loads of LoadWords twice, which take most of its
// time.
HWY_INLINE void LoadEightWords(Ints* words, const uint8_t* from, i64 stride) {
  const uint8_t* bases[4] = {from, from + 4 * stride, from + 8 * stride, from + 12 * stride};
  // Of 8 rows each: words c and c + 4 of four rows, then of the other four.
  __m512i halves[2][4];
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    __m512i rows[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const auto load = [&](int base) HWY_ATTR {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bases[base] + j * stride));
      };
      rows[j] = _mm512_inserti64x4(_mm512_castsi256_si512(load(2 * half)), load(2 * half + 1), 1);
    }
    TransposeWords(halves[half], rows);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    words[c] = Ints{_mm512_shuffle_i32x4(halves[0][c], halves[1][c], 0x88)};
    words[c + 4] = Ints{_mm512_shuffle_i32x4(halves[0][c], halves[1][c], 0xdd)};
  }
}

// Of the lower half of each word.
HWY_INLINE Vec FloatsOfHalves(Ints words) { return Vec{_mm512_cvtph_ps(_mm512_cvtepi32_epi16(words.raw))}; }
#else
// With VPMADDUBSW, which takes one side without a sign and has sums of two products in 16 bits.
struct Dot {
  static constexpr bool kIsSigned = true;
  template <int kBits, int kCount>
  static HWY_INLINE Ints Sum(Ints start, const Ints* columns, const int8_t* x) {
    const __m256i ones = _mm256_set1_epi16(1);
    const auto values = [&](int c) HWY_ATTR {
      int32_t word;
      std::memcpy(&word, x + 4 * c, sizeof word);
      return _mm256_set1_epi32(word);
    };
    // So many sums of products of up to 127 (2^kBits - 1), two each, stay below 2^15; 8 bits have a sign.
    constexpr int kFold = kBits == 4 ? kCount : kBits == 6 ? 2 : 1;
    __m256i sum = start.raw;
#pragma GCC unroll 8
    for (int begin = 0; begin < kCount; begin += kFold) {
      __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int c = begin; c < begin + kFold; ++c) {
        const __m256i w = columns[c].raw;
        const __m256i products =
            kBits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(values(c), w))
                       : _mm256_maddubs_epi16(w, values(c));
        pairs = c == begin ? products : _mm256_add_epi16(pairs, products);
      }
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    return Ints{sum};
  }
};

// 16 bytes of each of 8 rows, as four vectors of one word of each row.
HWY_INLINE void LoadWords(Ints* words, const uint8_t* from, i64 stride) {
  __m256i rows[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const auto load = [&](int row) HWY_ATTR {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + (j + row) * stride));
    };
    rows[j] = _mm256_inserti128_si256(_mm256_castsi128_si256(load(0)), load(4), 1);
  }
  const __m256i a = _mm256_unpacklo_epi32(rows[0], rows[1]), b = _mm256_unpackhi_epi32(rows[0], rows[1]);
  const __m256i c = _mm256_unpacklo_epi32(rows[2], rows[3]), d = _mm256_unpackhi_epi32(rows[2], rows[3]);
  words[0] = Ints{_mm256_unpacklo_epi64(a, c)};
  words[1] = Ints{_mm256_unpackhi_epi64(a, c)};
  words[2] = Ints{_mm256_unpacklo_epi64(b, d)};
  words[3] = Ints{_mm256_unpackhi_epi64(b, d)};
}

HWY_INLINE void LoadEightWords(Ints* words, const uint8_t* from, i64 stride) {
  LoadWords(words, from, stride);
  LoadWords(words + 4, from + 16, stride);
}

// Of the lower half of each word.
HWY_INLINE Vec FloatsOfHalves(Ints words) {
  return Vec{_mm256_cvtph_ps(hn::TruncateTo(U16(), hn::BitCast(U32(), words)).raw)};
}
#endif

// One word of each row.
HWY_INLINE Ints LoadWord(const uint8_t* from, i64 stride) {
  Ints words[4];
  LoadWords(words, from, stride);
  return words[0];
}

HWY_INLINE Ints Masked(Ints bytes, int mask) { return hn::And(bytes, hn::Set(i32_tag, mask * 0x01010101)); }
template <int kShift>
HWY_INLINE Ints BitsFrom(Ints bytes, int mask) {
  return Masked(hn::ShiftRight<kShift>(bytes), mask);
}
HWY_INLINE Ints BitsFrom(Ints bytes, int shift, int mask) {
  return Masked(hn::ShiftRightSame(bytes, shift), mask);
}

// How the columns of a block dtype are made: `kBits` of a value, `kZero` what is to be subtracted of it.
// Load gives those of group g of the rows from `rows` on, a stride apart.
struct SignedBytes {
  static constexpr int kBits = 8, kZero = Dot::kIsSigned ? 0 : 128;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* from, i64 stride) {
    LoadEightWords(columns, from, stride);
    if (Dot::kIsSigned) return;
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c)
      columns[c] = hn::Xor(columns[c], hn::Set(i32_tag, static_cast<int>(0x80808080u)));
  }
};

struct Nibbles {
  static constexpr int kBits = 4;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* from, i64 stride) {
    Ints words[4];
    LoadWords(words, from, stride);
    Split(columns, words);
  }
  // Both halves of the bytes of four words.
  static HWY_INLINE void Split(Ints* columns, const Ints* words) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      columns[c] = Masked(words[c], 15);
      columns[c + 4] = BitsFrom<4>(words[c], 15);
    }
  }
};

template <class Blocks>
struct Columns;

template <>
struct Columns<Int8Blocks> : SignedBytes {
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    SignedBytes::Load(columns, rows + g * 32, stride);
  }
};
template <>
struct Columns<Q8_0Blocks> : SignedBytes {
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    SignedBytes::Load(columns, rows + g * Q8_0Blocks::kBytes + 2, stride);
  }
};
template <>
struct Columns<Q4_0Blocks> : Nibbles {
  static constexpr int kZero = 8;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    Nibbles::Load(columns, rows + g * Q4_0Blocks::kBytes + 2, stride);
  }
};
template <>
struct Columns<Q4_1Blocks> : Nibbles {
  static constexpr int kZero = 0;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    Nibbles::Load(columns, rows + g * Q4_1Blocks::kBytes + 4, stride);
  }
  // Two groups from g on: a word of scale and minimum and four of values, twice.
  static HWY_INLINE void LoadPair(Ints* words, const uint8_t* rows, i64 stride, i64 g) {
    const uint8_t* from = rows + g * Q4_1Blocks::kBytes;
    Ints last[4];
    LoadEightWords(words, from, stride);
    LoadWords(last, from + 24, stride);
    words[8] = last[2];
    words[9] = last[3];
  }
};
template <>
struct Columns<Q4KBlocks> {
  static constexpr int kBits = 4, kZero = 0;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    LoadEightWords(columns, rows + g / 8 * Q4KBlocks::kBytes + 16 + g % 8 / 2 * 32, stride);
    const int shift = static_cast<int>(4 * (g % 2));
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) columns[c] = BitsFrom(columns[c], shift, 15);
  }
};
template <>
struct Columns<Q6KBlocks> {
  static constexpr int kBits = 6, kZero = 32;
  static HWY_INLINE void Load(Ints* columns, const uint8_t* rows, i64 stride, i64 g) {
    const i64 side = g % 8 / 4, quarter = g % 4;
    const uint8_t* block = rows + g / 8 * Q6KBlocks::kBytes;
    const uint8_t *low = block + 64 * side + 32 * (quarter % 2), *high = block + 128 + 32 * side;
    const int low_shift = static_cast<int>(4 * (quarter / 2)), high_shift = static_cast<int>(2 * quarter);
    Ints lows[kColumns], highs[kColumns];
    LoadEightWords(lows, low, stride);
    LoadEightWords(highs, high, stride);
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c)
      columns[c] =
          hn::Or(BitsFrom(lows[c], low_shift, 15), hn::ShiftLeft<4>(BitsFrom(highs[c], high_shift, 3)));
  }
};

#endif

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
