// The product of quantized_matmul.cc for AVX2 and AVX-512: lane n of a vector belongs to row n of lanes()
// rows of w, and each total is one lane's. For a few rows of x, w's values go from memory into registers and
// from there into the sums of all rows; for many, they are first laid down in a tile that all of them read.
#if defined(TRANSFUSION_QUANTIZED_KERNEL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_QUANTIZED_KERNEL_H
#undef TRANSFUSION_QUANTIZED_KERNEL_H
#else
#define TRANSFUSION_QUANTIZED_KERNEL_H
#endif

#include "cpu/matmul/quantized_columns.h"
#include "cpu/matmul/quantized_rows.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

// Rows of x whose totals and sums are in registers side by side.
inline constexpr int kSideBySide = HWY_TARGET <= HWY_AVX3 ? 8 : 4;

// Of lanes() rows: scales [groups, parts, lanes()], minima [groups, lanes()], and a tile [groups, kColumns,
// lanes()] of the values.
struct RowsOfWeights {
  f32 *scales, *minima;
  int32_t* tile;
};

template <class Blocks>
inline constexpr int kParts = static_cast<int>(kQuantGroup / Blocks::kScaleValues);

// Those of one group.
struct Scales {
  Vec of_parts[2], minimum;
};

// From where they were filled in.
template <class Blocks>
HWY_INLINE Scales ScalesOf(const RowsOfWeights& w, i64 g) {
  Scales scales;
  if (Blocks::kDType == DType::int8) return scales;  // once, at the end
  for (int part = 0; part < kParts<Blocks>; ++part)
    scales.of_parts[part] = load(w.scales + (g * kParts<Blocks> + part) * lanes());
  if (Blocks::kHasMinimum) scales.minimum = load(w.minima + g * lanes());
  return scales;
}

// From the words that blocks of 32 values begin with.
template <class Blocks>
HWY_INLINE Scales ScalesIn(Ints words) {
  Scales scales;
  scales.of_parts[0] = FloatsOfHalves(words);
  if (Blocks::kHasMinimum) scales.minimum = FloatsOfHalves(hn::ShiftRight<16>(words));
  return scales;
}

template <class Blocks>
HWY_INLINE Scales LoadScales(const uint8_t* rows, i64 stride, i64 g) {
  return ScalesIn<Blocks>(LoadWord(rows + g * Blocks::kBytes, stride));
}

template <class Blocks>
inline constexpr bool kScalesInBlocks =
    Blocks::kDType == DType::q8_0 || Blocks::kDType == DType::q4_0 || Blocks::kDType == DType::q4_1;

// What a row of x adds a group's products to, so that values are taken as if kZero were subtracted.
template <class Blocks>
HWY_INLINE Ints StartOf(const QuantizedRows& x, i64 m, i64 g, int part) {
  constexpr int kZero = Columns<Blocks>::kZero;
  if (kZero == 0) return hn::Zero(i32_tag);
  const i32* sums = x.row_sums(m) + 2 * g;
  return hn::Set(i32_tag, -kZero * (kParts<Blocks> == 2 ? sums[part] : sums[0] + sums[1]));
}

template <class Blocks, int M>
HWY_INLINE void AddGroup(Vec* totals, const QuantizedRows& x, i64 first, i64 g, const Ints* columns,
                         const Scales& scales) {
  constexpr int kCount = kColumns / kParts<Blocks>;
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    const int8_t* values = x.row(first + m) + g * kQuantGroup;
    const f32 d = x.row_scales(first + m)[g];
#pragma GCC unroll 2
    for (int part = 0; part < kParts<Blocks>; ++part) {
      const Ints sum = Dot::Sum<Columns<Blocks>::kBits, kCount>(
          StartOf<Blocks>(x, first + m, g, part), columns + part * kCount, values + 4 * part * kCount);
      Vec factor = set(d);
      if (Blocks::kDType != DType::int8) factor = hn::Mul(factor, scales.of_parts[part]);
      totals[m] = hn::Add(totals[m], hn::Mul(hn::ConvertTo(f32_tag, sum), factor));
    }
    if (Blocks::kHasMinimum) {
      const i32* sums = x.row_sums(first + m) + 2 * g;
      const f32 weighted = d * static_cast<f32>(sums[0] + sums[1]);
      totals[m] = hn::Add(totals[m], hn::Mul(scales.minimum, set(weighted)));
    }
  }
}

// Scales and minima of lanes() rows.
template <class Blocks>
void FillScales(const RowsOfWeights& w, const uint8_t* rows, i64 stride, i64 groups) {
  if constexpr (Blocks::kDType == DType::int8) {
    for (i64 i = 0; i < lanes(); ++i)
      std::memcpy(w.scales + i, rows + (i + 1) * stride - static_cast<i64>(sizeof(f32)), sizeof(f32));
  } else if constexpr (kScalesInBlocks<Blocks>) {
    for (i64 g = 0; g < groups; ++g) {
      const Scales scales = LoadScales<Blocks>(rows, stride, g);
      store(scales.of_parts[0], w.scales + g * lanes());
      if (Blocks::kHasMinimum) store(scales.minimum, w.minima + g * lanes());
    }
  } else {
    constexpr i64 kGroups = Blocks::kValues / kQuantGroup;
    for (i64 i = 0; i < lanes(); ++i)
      for (i64 block = 0; block < groups / kGroups; ++block)
        for (i64 g = block * kGroups; g < (block + 1) * kGroups; ++g) {
          const uint8_t* row = rows + i * stride;
          for (int part = 0; part < kParts<Blocks>; ++part)
            w.scales[(g * kParts<Blocks> + part) * lanes() + i] =
                Blocks::scale(row, 0, g * kQuantGroup + part * Blocks::kScaleValues);
          if (Blocks::kHasMinimum) w.minima[g * lanes() + i] = Blocks::minimum(row, g * kQuantGroup);
        }
  }
}

// The columns of group g; a row of int8 may end within the last one.
template <class Blocks>
HWY_INLINE void LoadGroup(Ints* columns, const uint8_t* rows, i64 stride, i64 g, i64 K) {
  if (Blocks::kDType == DType::int8 && (g + 1) * kQuantGroup > K) {
    HWY_ALIGN uint8_t rest[kMaxLanes * kQuantGroup] = {};
    for (i64 i = 0; i < lanes(); ++i)
      std::memcpy(rest + i * kQuantGroup, rows + i * stride + g * kQuantGroup,
                  static_cast<size_t>(K - g * kQuantGroup));
    return Columns<Blocks>::Load(columns, rest, kQuantGroup, 0);
  }
  Columns<Blocks>::Load(columns, rows, stride, g);
}

// totals [M, lanes()] of few rows of x.
template <class Blocks, int M>
void MultiplyFew(f32* totals, const QuantizedRows& x, const RowsOfWeights& w, const uint8_t* rows, i64 stride,
                 i64 K) {
  Vec sums[M];
  for (Vec& sum : sums) sum = zero();
  // Behind these rows lie the next. Two blocks of rows ahead is as far as memory's latency needs: what is one
  // block ahead comes too late, however it is spread.
  const i64 share = ceil_div(lanes() * stride, x.groups);
  const uint8_t* ahead = rows + 2 * lanes() * stride;
  const auto prefetch = [&](i64 g) HWY_ATTR {
    for (i64 at = g * share; at < (g + 1) * share; at += 64) __builtin_prefetch(ahead + at, 0, 2);
  };
  i64 g = 0;
  if constexpr (Blocks::kDType == DType::q4_1)
    for (; g + 2 <= x.groups; g += 2) {
      prefetch(g);
      prefetch(g + 1);
      Ints words[10];
      Columns<Blocks>::LoadPair(words, rows, stride, g);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        Ints columns[kColumns];
        Nibbles::Split(columns, words + 5 * i + 1);
        AddGroup<Blocks, M>(sums, x, 0, g + i, columns, ScalesIn<Blocks>(words[5 * i]));
      }
    }
  for (; g < x.groups; ++g) {
    prefetch(g);
    Ints columns[kColumns];
    LoadGroup<Blocks>(columns, rows, stride, g, K);
    if constexpr (kScalesInBlocks<Blocks>)
      AddGroup<Blocks, M>(sums, x, 0, g, columns, LoadScales<Blocks>(rows, stride, g));
    else
      AddGroup<Blocks, M>(sums, x, 0, g, columns, ScalesOf<Blocks>(w, g));
  }
  for (int m = 0; m < M; ++m) store(sums[m], totals + m * lanes());
}

template <class Blocks>
void FillTile(const RowsOfWeights& w, const uint8_t* rows, i64 stride, i64 groups, i64 K) {
  for (i64 g = 0; g < groups; ++g) {
    Ints columns[kColumns];
    LoadGroup<Blocks>(columns, rows, stride, g, K);
    for (int c = 0; c < kColumns; ++c) hn::StoreU(columns[c], i32_tag, w.tile + (g * kColumns + c) * lanes());
  }
}

// totals [kSideBySide, lanes()] of rows of x from `first` on, by a tile.
template <class Blocks>
void MultiplyTile(f32* totals, const QuantizedRows& x, i64 first, const RowsOfWeights& w) {
  Vec sums[kSideBySide];
  for (Vec& sum : sums) sum = zero();
  for (i64 g = 0; g < x.groups; ++g) {
    Ints columns[kColumns];
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) columns[c] = hn::LoadU(i32_tag, w.tile + (g * kColumns + c) * lanes());
    AddGroup<Blocks, kSideBySide>(sums, x, first, g, columns, ScalesOf<Blocks>(w, g));
  }
  for (int m = 0; m < kSideBySide; ++m) store(sums[m], totals + m * lanes());
}

// y's columns of lanes() rows of w, of which `count` are wanted: finish(m, totals) takes those of each row.
template <class Blocks, class Finish>
HWY_INLINE void MultiplyBlock(const QuantizedRows& x, const RowsOfWeights& w, const uint8_t* rows, i64 stride,
                              i64 K, const Finish& finish) {
  HWY_ALIGN f32 totals[kSideBySide * kMaxLanes];
  if (x.M > kSideBySide || !kScalesInBlocks<Blocks>) FillScales<Blocks>(w, rows, stride, x.groups);
  const auto finish_rows = [&](i64 first) HWY_ATTR {
    for (i64 m = first; m < std::min<i64>(x.M, first + kSideBySide); ++m) {
      f32* own = totals + (m - first) * lanes();
      if (Blocks::kDType == DType::int8) store(hn::Mul(load(own), load(w.scales)), own);
      finish(m, own);
    }
  };
  if (x.M <= kSideBySide) {
    if (x.M == 1)
      MultiplyFew<Blocks, 1>(totals, x, w, rows, stride, K);
    else if (x.M == 2)
      MultiplyFew<Blocks, 2>(totals, x, w, rows, stride, K);
    else if (x.M <= 4)
      MultiplyFew<Blocks, 4>(totals, x, w, rows, stride, K);
    else
      MultiplyFew<Blocks, kSideBySide>(totals, x, w, rows, stride, K);
    return finish_rows(0);
  }
  FillTile<Blocks>(w, rows, stride, x.groups, K);
  for (i64 first = 0; first < x.M; first += kSideBySide) {
    MultiplyTile<Blocks>(totals, x, first, w);
    finish_rows(first);
  }
}

#endif

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
