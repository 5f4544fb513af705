// bf16 products on Intel AMX, for CPUs with has_amx(). Compiled once per SIMD target as simd.h is.
//
// A tile register holds 16 rows of 16 words; a word is a sum in f32 or a pair of bf16. AMX wants the right
// operand "VNNI-packed": neighbours along the axis K that the product sums over share a word. For C [16, 16]
// += A [16, 32] B [32, 16] the left tile is A as it lies in memory, the right one has pairs of B's rows:
//
//   A's tile, word [m, w] = (a[m][2w], a[m][2w + 1])     row 0:  a0,0 a0,1 | a0,2 a0,3 | ... | a0,30 a0,31
//   B's tile, word [w, n] = (b[2w][n], b[2w + 1][n])     row 0:  b0,0 b1,0 | b0,1 b1,1 | ... | b0,15 b1,15
//                                                        row 1:  b2,0 b3,0 | b2,1 b3,1 | ... | b2,15 b3,15
//
// One instruction (TDPBF16PS, here TileDot) adds to every c[m][n] two chains of 16 fused multiply-adds, each
// from zero, one of the pairs' first elements and one of their second ones:
//
//   first   = (a[m][0] b[0][n] + a[m][2] b[2][n]) + ... + a[m][30] b[30][n]
//   second  = (a[m][1] b[1][n] + a[m][3] b[3][n]) + ... + a[m][31] b[31][n]
//   c[m][n] = c[m][n] + (first + second)
//
// K alone decides the order: a sum has the same bits wherever in a tile it lies and whatever is beside it.
// EmulatedTileDot gives these bits with vectors, for a single query, which would leave 15 of a tile's 16 rows
// empty. (AMX takes subnormal numbers for zeros.)
#if defined(TRANSFUSION_AMX_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_AMX_H
#undef TRANSFUSION_AMX_H
#else
#define TRANSFUSION_AMX_H
#endif

#include "cpu/runtime/processor.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

inline constexpr i64 kTileRows = 16, kTileWords = 256;
// Rows and columns of the sums that the eight registers hold at a time: 2 x 2 tiles, beside two of each
// operand.
inline constexpr i64 kRegisterBlock = 2 * kTileRows;
// Elements along K that a step, a TileDot, adds to a sum.
inline constexpr i64 kTileDepth = 32;

// What TileDot adds to each of a vector of sums, by 16 calls of Add.
struct EmulatedTileDot {
  Vec first, second;

  HWY_INLINE void Add(Vec a, Vec b) {
    first = hn::MulAdd(FirstOfPairs(a), FirstOfPairs(b), first);
    second = hn::MulAdd(SecondOfPairs(a), SecondOfPairs(b), second);
  }
  HWY_INLINE Vec Sum() const { return hn::Add(first, second); }
};

// A panel is an operand's tiles along K: word [row, column] of the first is at data + row * row_stride +
// column, the next tile begins `step` words further.
struct TilePanel {
  const float* data;
  i64 row_stride, step;

  HWY_INLINE TilePanel advance_rows(i64 rows) const { return {data + rows * row_stride, row_stride, step}; }
};

// For operands split into a sum of bf16 terms (an f32 value is a high and a low one): the product is the sum
// over `count` of them, each a or b words behind the one before it; 0 for an operand that is not split.
struct SplitTerms {
  i64 count = 1, a = 0, b = 0;
};

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Pairs that AMX multiplies.
struct AmxPairs : Bf16Pairs {
  static constexpr bool kAmx = true;
};

// The thread's tile configuration, every register of full size, for the lifetime of the object.
class TileConfig {
 public:
  TileConfig() {
    struct alignas(64) Configuration {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    static constexpr Configuration kFull;
    asm volatile("ldtilecfg %0" ::"m"(kFull));
  }
  ~TileConfig() { asm volatile("tilerelease"); }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;
};

// Assembly without memory operands, as in GCC's intrinsics: so the compiler keeps addresses in registers, but
// does not know what is read and written. It moves no access to memory across a CompilerBarrier.
HWY_INLINE void CompilerBarrier() { asm volatile("" ::: "memory"); }
template <int R>
HWY_INLINE void TileLoad(const float* from, i64 row_bytes) {
  asm volatile("tileloadd (%1, %2), %%tmm%c0" ::"i"(R), "r"(from), "r"(row_bytes));
}
template <int R>
HWY_INLINE void TileStore(float* to, i64 row_bytes) {
  asm volatile("tilestored %%tmm%c0, (%1, %2)" ::"i"(R), "r"(to), "r"(row_bytes));
}
template <int R>
HWY_INLINE void TileZero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(R));
}
// Assembly, as GCC 12 removes a loop of nothing but __builtin_prefetch.
HWY_INLINE void PrefetchL2(const float* at) { asm volatile("prefetcht1 (%0)" ::"r"(at)); }
template <int C, int A, int B>
HWY_INLINE void TileDot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

// Calls body(integral_constant) for 0 .. N - 1.
template <int N, class Body>
HWY_INLINE void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) HWY_ATTR { (body(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

// The first `rows` rows of panels that are needed next: each step of a product prefetches those of one step.
template <int N>
struct PanelPrefetch {
  TilePanel panels[N];
  i64 rows[N];

  HWY_INLINE void prefetch_step(i64 step) const {
    unrolled<N>([&](auto n) HWY_ATTR {
      const float* at = panels[n].data + step * panels[n].step;
      for (i64 row = 0; row < rows[n]; ++row) PrefetchL2(at + row * panels[n].row_stride);
    });
  }
};

// MR x NR tiles of c = a b, or += where `add`, over `steps` steps: MR panels a, each [rows, words], and NR
// panels b, each [words, columns]; of all terms where operands are split.
template <int MR, int NR, class Prefetch>
HWY_INLINE void MultiplyTiles(float* c, i64 c_stride, bool add, const TilePanel* a, const TilePanel* b,
                              i64 steps, SplitTerms terms, const Prefetch& prefetch) {
  constexpr int kA = MR * NR, kB = kA + MR, kWordBytes = sizeof(float);
  static_assert(kB + NR <= 8);
  CompilerBarrier();
  const i64 c_bytes = c_stride * kWordBytes;
  unrolled<MR>([&](auto i) HWY_ATTR {
    unrolled<NR>([&](auto j) HWY_ATTR {
      if (add)
        TileLoad<i * NR + j>(c + i * kTileRows * c_stride + j * kTileRows, c_bytes);
      else
        TileZero<i * NR + j>();
    });
  });
  for (i64 term = 0; term < terms.count; ++term) {
    const float *left[MR], *right[NR];
    i64 left_bytes[MR], right_bytes[NR], left_step[MR], right_step[NR];
    unrolled<MR>([&](auto i) HWY_ATTR {
      left[i] = a[i].data + term * terms.a;
      left_bytes[i] = a[i].row_stride * kWordBytes;
      left_step[i] = a[i].step;
    });
    unrolled<NR>([&](auto j) HWY_ATTR {
      right[j] = b[j].data + term * terms.b;
      right_bytes[j] = b[j].row_stride * kWordBytes;
      right_step[j] = b[j].step;
    });
    for (i64 step = 0; step < steps; ++step) {
      unrolled<MR>([&](auto i) HWY_ATTR {
        TileLoad<kA + i>(left[i], left_bytes[i]);
        left[i] += left_step[i];
      });
      unrolled<NR>([&](auto j) HWY_ATTR {
        TileLoad<kB + j>(right[j], right_bytes[j]);
        right[j] += right_step[j];
      });
      unrolled<MR>([&](auto i) HWY_ATTR {
        unrolled<NR>([&](auto j) HWY_ATTR { TileDot<i * NR + j, kA + i, kB + j>(); });
      });
      prefetch.prefetch_step(step);
    }
  }
  unrolled<MR>([&](auto i) HWY_ATTR {
    unrolled<NR>([&](auto j) HWY_ATTR {
      TileStore<i * NR + j>(c + i * kTileRows * c_stride + j * kTileRows, c_bytes);
    });
  });
  CompilerBarrier();
}

// As above, with the number of panels, one or two of each, known at run time.
template <class Prefetch = PanelPrefetch<0>>
HWY_INLINE void MultiplyTiles(float* c, i64 c_stride, bool add, const TilePanel* a, const TilePanel* b,
                              bool two_left, bool two_right, i64 steps, SplitTerms terms = {},
                              const Prefetch& prefetch = {}) {
  if (two_left && two_right)
    MultiplyTiles<2, 2>(c, c_stride, add, a, b, steps, terms, prefetch);
  else if (two_left)
    MultiplyTiles<2, 1>(c, c_stride, add, a, b, steps, terms, prefetch);
  else if (two_right)
    MultiplyTiles<1, 2>(c, c_stride, add, a, b, steps, terms, prefetch);
  else
    MultiplyTiles<1, 1>(c, c_stride, add, a, b, steps, terms, prefetch);
}

// c [rows, width] (+)= a b, rows and width in whole tiles; a's panels lie below each other, b's beside each
// other.
HWY_INLINE void TileProduct(float* c, i64 c_stride, const TilePanel& a, const TilePanel& b, i64 rows,
                            i64 width, i64 steps, bool add, SplitTerms terms = {}) {
  const auto right = [&](i64 column) { return TilePanel{b.data + column, b.row_stride, b.step}; };
  for (i64 column = 0; column < width; column += kRegisterBlock)
    for (i64 row = 0; row < rows; row += kRegisterBlock) {
      const TilePanel as[2] = {a.advance_rows(row), a.advance_rows(row + kTileRows)},
                      bs[2] = {right(column), right(column + kTileRows)};
      float* block = c + row * c_stride + column;
      MultiplyTiles(block, c_stride, add, as, bs, row + kTileRows < rows, column + kTileRows < width, steps,
                    terms);
    }
}

// Transposes a matrix of bf16 in words: from [count, stride], pairs along the columns, becomes to [2 stride,
// count / 2], pairs along the columns again. count is a multiple of 32, stride one of lanes(); `transposed`
// is scratch of the same size.
HWY_INLINE void TransposePairs(float* to, i64 to_stride, float* transposed, const float* from, i64 stride,
                               i64 count) {
  TransposeTile(transposed, count, from, stride, count, stride);
  for (i64 word = 0; word < stride; ++word)
    for (i64 i = 0; i < count; i += 2 * lanes()) {
      const Vec first = load(transposed + word * count + i),
                second = load(transposed + word * count + i + lanes());
      float* column = to + 2 * word * to_stride + i / 2;
      store(Bf16Pairs::FirstHalves(first, second), column);
      store(Bf16Pairs::SecondHalves(first, second), column + to_stride);
    }
}
#else
// has_amx() is false.
using AmxPairs = Bf16Pairs;
struct TileConfig {};
HWY_INLINE void TileProduct(float*, i64, const TilePanel&, const TilePanel&, i64, i64, i64, bool,
                            SplitTerms = {}) {}
HWY_INLINE void TransposePairs(float*, i64, float*, const float*, i64, i64) {}
#endif

// What a thread needs to multiply words: a tile configuration, or nothing.
struct NoTileConfig {};
template <class Words>
using TileConfigFor = std::conditional_t<Words::kAmx, TileConfig, NoTileConfig>;

// An operand in scratch, as tiles: rows of words along the depth, or words of columns below each other.
HWY_INLINE TilePanel LeftTiles(const float* data, i64 stride) { return {data, stride, kTileRows}; }
HWY_INLINE TilePanel RightTiles(const float* data, i64 stride) { return {data, stride, kTileRows * stride}; }

// Calls body(Words{}) with the words in which attention multiplies elements of T.
template <class T, class Body>
HWY_INLINE void with_amx_words(const Body& body) {
  if constexpr (!std::is_same_v<T, float>)
    if (has_amx()) return body(AmxPairs{});
  with_words<T>(body);
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
