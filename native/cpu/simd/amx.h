// Products of bf16 in matrix registers (Intel AMX), for CPUs with has_matrix_registers(): a register holds a
// tile of 16 rows of 16 words, which are pairs of bf16 or sums in f32. A step multiplies two tiles: it adds
// to each sum two chains of 16 products, of the pairs' first elements and of their second ones, each from
// zero. So a sum's bits depend neither on where in a tile it lies nor on its neighbours, and PairChains gives
// the same ones. (Registers take subnormal numbers for zeros.) Compiled once per SIMD target as simd.h is.
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
// Rows and columns of sums that the registers hold at a time.
inline constexpr i64 kSide = 2 * kTileRows;
// Products that a step adds to a sum.
inline constexpr i64 kTileDepth = 32;

// A step's products for vectors of sums.
struct PairChains {
  Vec first, second;

  HWY_INLINE void Add(Vec a, Vec b) {
    first = hn::MulAdd(FirstOfPairs(a), FirstOfPairs(b), first);
    second = hn::MulAdd(SecondOfPairs(a), SecondOfPairs(b), second);
  }
  HWY_INLINE Vec Sum() const { return hn::Add(first, second); }
};

// An operand's tiles: word [row, column] of the first at data + row * row_stride + column, the next one along
// the depth `step` words further.
struct TileStrip {
  const float* data;
  i64 row_stride, step;

  HWY_INLINE TileStrip below(i64 rows) const { return {data + rows * row_stride, row_stride, step}; }
};

// Parts that an operand is the sum of, as split values are: each lies so many words behind the one before it,
// or is the same.
struct TileParts {
  i64 count = 1, a = 0, b = 0;
};

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Pairs that are multiplied in matrix registers.
struct TiledPairs : Pairs {
  static constexpr bool kTiled = true;
};

// The thread's registers, all of full size, claimed while this stands.
class TileRegisters {
 public:
  TileRegisters() {
    struct alignas(64) Configuration {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    static constexpr Configuration kFull;
    asm volatile("ldtilecfg %0" ::"m"(kFull));
  }
  ~TileRegisters() { asm volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

// Assembly, as what GCC's intrinsics expand to, which does not say what it reads and writes: so that the
// compiler keeps addresses in registers. Memory is in order where OrderMemory stands.
HWY_INLINE void OrderMemory() { asm volatile("" ::: "memory"); }
template <int R>
HWY_INLINE void LoadRegister(const float* from, i64 row_bytes) {
  asm volatile("tileloadd (%1, %2), %%tmm%c0" ::"i"(R), "r"(from), "r"(row_bytes));
}
template <int R>
HWY_INLINE void StoreRegister(float* to, i64 row_bytes) {
  asm volatile("tilestored %%tmm%c0, (%1, %2)" ::"i"(R), "r"(to), "r"(row_bytes));
}
template <int R>
HWY_INLINE void ZeroRegister() {
  asm volatile("tilezero %%tmm%c0" ::"i"(R));
}
// Into the second cache. (GCC 12 takes away a loop of nothing but __builtin_prefetch.)
HWY_INLINE void AskFor(const float* at) { asm volatile("prefetcht1 (%0)" ::"r"(at)); }
template <int C, int A, int B>
HWY_INLINE void AddStep() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

// Calls body(integral_constant) for 0 .. N - 1.
template <int N, class Body>
HWY_INLINE void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) HWY_ATTR { (body(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

// Rows of strips that are needed next: each step of a product asks for the part of a step.
template <int N>
struct StripsAhead {
  TileStrip strips[N];
  i64 rows[N];

  HWY_INLINE void ask(i64 step) const {
    unrolled<N>([&](auto n) HWY_ATTR {
      const float* at = strips[n].data + step * strips[n].step;
      for (i64 row = 0; row < rows[n]; ++row) AskFor(at + row * strips[n].row_stride);
    });
  }
};

// MR x NR tiles of c (+)= the products of `steps` steps of MR strips a, each [rows, words], and NR strips b,
// each [words, columns], of all parts.
template <int MR, int NR, class Ahead>
HWY_INLINE void MultiplyTiles(float* c, i64 c_stride, bool add, const TileStrip* a, const TileStrip* b,
                              i64 steps, TileParts parts, const Ahead& ahead) {
  constexpr int kA = MR * NR, kB = kA + MR, kWordBytes = sizeof(float);
  static_assert(kB + NR <= 8);
  OrderMemory();
  const i64 c_bytes = c_stride * kWordBytes;
  unrolled<MR>([&](auto i) HWY_ATTR {
    unrolled<NR>([&](auto j) HWY_ATTR {
      if (add)
        LoadRegister<i * NR + j>(c + i * kTileRows * c_stride + j * kTileRows, c_bytes);
      else
        ZeroRegister<i * NR + j>();
    });
  });
  for (i64 part = 0; part < parts.count; ++part) {
    const float *left[MR], *right[NR];
    i64 left_bytes[MR], right_bytes[NR], left_step[MR], right_step[NR];
    unrolled<MR>([&](auto i) HWY_ATTR {
      left[i] = a[i].data + part * parts.a;
      left_bytes[i] = a[i].row_stride * kWordBytes;
      left_step[i] = a[i].step;
    });
    unrolled<NR>([&](auto j) HWY_ATTR {
      right[j] = b[j].data + part * parts.b;
      right_bytes[j] = b[j].row_stride * kWordBytes;
      right_step[j] = b[j].step;
    });
    for (i64 step = 0; step < steps; ++step) {
      unrolled<MR>([&](auto i) HWY_ATTR {
        LoadRegister<kA + i>(left[i], left_bytes[i]);
        left[i] += left_step[i];
      });
      unrolled<NR>([&](auto j) HWY_ATTR {
        LoadRegister<kB + j>(right[j], right_bytes[j]);
        right[j] += right_step[j];
      });
      unrolled<MR>([&](auto i) HWY_ATTR {
        unrolled<NR>([&](auto j) HWY_ATTR { AddStep<i * NR + j, kA + i, kB + j>(); });
      });
      ahead.ask(step);
    }
  }
  unrolled<MR>([&](auto i) HWY_ATTR {
    unrolled<NR>([&](auto j) HWY_ATTR {
      StoreRegister<i * NR + j>(c + i * kTileRows * c_stride + j * kTileRows, c_bytes);
    });
  });
  OrderMemory();
}

// As above, with one or two strips of each.
template <class Ahead = StripsAhead<0>>
HWY_INLINE void MultiplyTiles(float* c, i64 c_stride, bool add, const TileStrip* a, const TileStrip* b,
                              bool two_left, bool two_right, i64 steps, TileParts parts = {},
                              const Ahead& ahead = {}) {
  if (two_left && two_right)
    MultiplyTiles<2, 2>(c, c_stride, add, a, b, steps, parts, ahead);
  else if (two_left)
    MultiplyTiles<2, 1>(c, c_stride, add, a, b, steps, parts, ahead);
  else if (two_right)
    MultiplyTiles<1, 2>(c, c_stride, add, a, b, steps, parts, ahead);
  else
    MultiplyTiles<1, 1>(c, c_stride, add, a, b, steps, parts, ahead);
}

// c [rows, width] (+)= a b, rows and width in whole tiles; a's strips lie below each other, b's beside each
// other.
HWY_INLINE void TileProduct(float* c, i64 c_stride, const TileStrip& a, const TileStrip& b, i64 rows,
                            i64 width, i64 steps, bool add, TileParts parts = {}) {
  const auto right = [&](i64 column) { return TileStrip{b.data + column, b.row_stride, b.step}; };
  for (i64 column = 0; column < width; column += kSide)
    for (i64 row = 0; row < rows; row += kSide) {
      const TileStrip as[2] = {a.below(row), a.below(row + kTileRows)},
                      bs[2] = {right(column), right(column + kTileRows)};
      float* block = c + row * c_stride + column;
      MultiplyTiles(block, c_stride, add, as, bs, row + kTileRows < rows, column + kTileRows < width, steps,
                    parts);
    }
}

// from [count, stride] has rows of pairs along the columns; to [2 stride, count / 2] gets its transpose,
// again of pairs along the columns. count in steps of 32, stride in whole vectors; `turned` has room for as
// many words.
HWY_INLINE void TurnPairs(float* to, i64 to_stride, float* turned, const float* from, i64 stride, i64 count) {
  TransposeTile(turned, count, from, stride, count, stride);
  for (i64 word = 0; word < stride; ++word)
    for (i64 i = 0; i < count; i += 2 * lanes()) {
      const Vec first = load(turned + word * count + i), second = load(turned + word * count + i + lanes());
      float* column = to + 2 * word * to_stride + i / 2;
      store(Pairs::FirstHalves(first, second), column);
      store(Pairs::SecondHalves(first, second), column + to_stride);
    }
}
#else
// has_matrix_registers() is false.
using TiledPairs = Pairs;
struct TileRegisters {};
HWY_INLINE void TileProduct(float*, i64, const TileStrip&, const TileStrip&, i64, i64, i64, bool,
                            TileParts = {}) {}
HWY_INLINE void TurnPairs(float*, i64, float*, const float*, i64, i64) {}
#endif

// What a thread claims to multiply words.
struct NoRegisters {};
template <class Words>
using Registers = std::conditional_t<Words::kTiled, TileRegisters, NoRegisters>;

// An operand in scratch, as tiles: rows of words along the depth, or words of columns below each other.
HWY_INLINE TileStrip LeftTiles(const float* data, i64 stride) { return {data, stride, kTileRows}; }
HWY_INLINE TileStrip RightTiles(const float* data, i64 stride) { return {data, stride, kTileRows * stride}; }

// Calls body(Words{}) with the words in which attention multiplies elements of T.
template <class T, class Body>
HWY_INLINE void with_tiled_words(const Body& body) {
  if constexpr (!std::is_same_v<T, float>)
    if (has_matrix_registers()) return body(TiledPairs{});
  with_words<T>(body);
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
