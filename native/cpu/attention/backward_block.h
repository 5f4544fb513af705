// A tile of keys against a tile of queries in the backward pass: p and ds, and what they add to the
// gradients. Compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_BACKWARD_BLOCK_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_BACKWARD_BLOCK_H
#undef TRANSFUSION_BACKWARD_BLOCK_H
#else
#define TRANSFUSION_BACKWARD_BLOCK_H
#endif

#include <utility>

#include "cpu/attention/shape.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/math.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

inline constexpr i64 kRows = 64, kKeys = 64;
inline constexpr i64 kMaxTiles = 8;  // tiles of keys that use a tile of rows once it is loaded
// Rows of a block where not every row sees every key.
template <class Words>
inline constexpr i64 kStep = Words::kAmx ? kTileDepth : 16;

// One thread's scratch; Dp is D padded to whole vectors. Scores and dp are products of words, all other
// products are f32. On AMX all are products of words, with p and ds split into two bf16 each; then q and dy
// are transposed, [2 row_words, kRows / 2], k is in words along the keys, [kKeys / 2, 2 row_words], and dk
// and dv are transposed, [Dp, kKeys].
template <class Words>
struct BackwardScratch {
  struct Keys {
    float *k_transposed, *v_transposed;  // [words of D, kKeys]
    float* k;                            // [kKeys, Dp]
    float *dk, *dv;                      // [kKeys, Dp]
  };
  i64 D, Dp, row_words;
  float* loaded;              // [kKeys, row_words]
  float *q_words, *dy_words;  // [kRows, row_words]
  float *q, *dy;              // [kRows, Dp]
  float *p, *ds;              // [kRows, kKeys]: scores and dp at first
  float* ds_words;  // [kRows, kKeys], for AMX: the high bf16 of ds in words along the keys, then the low ones
  float *lse, *delta;  // [kRows], lse in units of log 2
  Keys keys[kMaxTiles];

  static i64 floats(i64 D, i64 key_tiles) {
    const i64 Dp = padded(D), row_words = padded_words<Words>(D);
    return (kKeys + 2 * kRows) * row_words + 2 * kRows * (Dp + kKeys + 1) +
           (Words::kAmx ? kRows * kKeys : 0) + key_tiles * kKeys * (2 * row_words + 3 * Dp);
  }
  BackwardScratch(float* scratch, i64 D, i64 key_tiles)
      : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto allocate = [&](i64 count) { return std::exchange(scratch, scratch + count); };
    loaded = allocate(kKeys * row_words);
    q = allocate(kRows * Dp), q_words = Words::kDepth == 1 ? q : allocate(kRows * row_words);
    dy = allocate(kRows * Dp), dy_words = Words::kDepth == 1 ? dy : allocate(kRows * row_words);
    p = allocate(kRows * kKeys), ds = allocate(kRows * kKeys);
    ds_words = Words::kAmx ? allocate(kRows * kKeys) : nullptr;
    lse = allocate(kRows), delta = allocate(kRows);
    for (i64 i = 0; i < key_tiles; ++i) {
      Keys& tile = keys[i];
      tile.k_transposed = allocate(kKeys * row_words), tile.v_transposed = allocate(kKeys * row_words);
      tile.k = allocate(kKeys * Dp), tile.dk = allocate(kKeys * Dp), tile.dv = allocate(kKeys * Dp);
    }
  }
};

// p = 2^(scale score - lse) and ds = p (dp - delta) of a row; zeros outside keys [first, last) where
// `masked`.
struct RowGradients {
  Vec scale, lse, delta;
  i32 first, last;
  bool masked;

  // Turns scores and dp of the keys from `key` on into p and ds.
  HWY_INLINE void Differentiate(Vec& p, Vec& ds, i64 key) const {
    const hn::RebindToSigned<F32> i32_tag;
    p = exp2(hn::MulSub(p, scale, lse));
    ds = hn::Mul(p, hn::Sub(ds, delta));
    if (masked) {
      const auto keys = hn::Iota(i32_tag, static_cast<i32>(key));
      const auto before = hn::Lt(keys, hn::Set(i32_tag, first));
      const auto within = hn::Lt(keys, hn::Set(i32_tag, last));
      const auto hidden = hn::RebindMask(f32_tag, hn::Or(before, hn::Not(within)));
      p = hn::IfThenZeroElse(hidden, p);
      ds = hn::IfThenZeroElse(hidden, ds);
    }
  }
};

template <class Words>
RowGradients GradientsOf(const BackwardScratch<Words>& s, const KeyIntervals& intervals, i64 row0, i64 row,
                         bool masked, float scale) {
  const i64 query = intervals.query(row);
  return {set(scale),
          set(s.lse[row - row0]),
          set(s.delta[row - row0]),
          intervals.start[query],
          intervals.end[query],
          masked};
}

// Computes p and ds of one block, and adds its terms to dv and dk. The tile of rows begins at row0, of keys
// at key0.
template <class Words>
void AddToKeys(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
               const ScoreBlock& block, const KeyIntervals& intervals, i64 row0, i64 key0, float scale) {
  // Whole vectors of keys: those before the block's first, if any, are computed for nothing, and masked.
  const i64 row = block.row - row0, aligned = (block.begin - key0) / lanes() * lanes();
  const i64 key = block.begin - key0, keys = block.end - block.begin, width = block.end - key0 - aligned;
  const i64 depth = words<Words>(s.D);
  float *p = s.p + row * kKeys + aligned, *ds = s.ds + row * kKeys + aligned;
  const AsIs q{s.q_words + row * s.row_words, s.row_words}, dy{s.dy_words + row * s.row_words, s.row_words};
  Product<Words>(p, kKeys, q, tile.k_transposed + aligned, kKeys, block.rows, width, depth, false);
  Product<Words>(ds, kKeys, dy, tile.v_transposed + aligned, kKeys, block.rows, width, depth, false);
  for (i64 r = 0; r < block.rows; ++r) {
    const RowGradients gradients = GradientsOf(s, intervals, row0, block.row + r, block.masked, scale);
    for (i64 i = 0; i < width; i += lanes()) {
      Vec probability = load(p + r * kKeys + i), gradient = load(ds + r * kKeys + i);
      gradients.Differentiate(probability, gradient, key0 + aligned + i);
      store(probability, p + r * kKeys + i);
      store(gradient, ds + r * kKeys + i);
    }
  }
  Product<F32Words>(tile.dv + key * s.Dp, s.Dp, Transposed{s.p + row * kKeys + key, kKeys}, s.dy + row * s.Dp,
                    s.Dp, keys, s.D, block.rows, true);
  Product<F32Words>(tile.dk + key * s.Dp, s.Dp, Transposed{s.ds + row * kKeys + key, kKeys}, s.q + row * s.Dp,
                    s.Dp, keys, s.D, block.rows, true);
}

template <class Words>
void AddToQueries(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
                  const ScoreBlock& block, float* dq, i64 row0, i64 key0) {
  const i64 row = block.row - row0, key = block.begin - key0;
  Product<F32Words>(dq + row * s.Dp, s.Dp, AsIs{s.ds + row * kKeys + key, kKeys}, tile.k + key * s.Dp, s.Dp,
                    block.rows, s.D, block.end - block.begin, true);
}

// Splits two rows' vectors: pairs of their high bf16 go to the first row's place, pairs of the low ones (of
// what rounding lost) to the second row's. `first` and `second` become what rounding lost.
template <class Words>
HWY_INLINE void SplitRows(float* to, Vec& first, Vec& second) {
  const Vec pairs = Words::PairUp(Words::Round(first, second));
  first = hn::Sub(first, FirstOfPairs(pairs));
  second = hn::Sub(second, SecondOfPairs(pairs));
  store(pairs, to);
  store(Words::PairUp(Words::Round(first, second)), to + kKeys);
}

// Turns two rows' scores and dp of `keys` keys from `key` on into p and ds, split in two; ds also in words
// along the keys.
template <class Words>
HWY_INLINE void SplitGradients(const RowGradients& first, const RowGradients& second, float* p, float* ds,
                               float* ds_words, i64 key, i64 keys) {
  for (i64 i = 0; i < keys; i += 2 * lanes()) {
    Vec values[2][2], low[2][2];  // ds by row and vector
    for (i64 j = 0; j < 2; ++j) {
      const i64 at = i + j * lanes();
      Vec p0 = load(p + at), p1 = load(p + kKeys + at);
      Vec ds0 = load(ds + at), ds1 = load(ds + kKeys + at);
      first.Differentiate(p0, ds0, key + at);
      second.Differentiate(p1, ds1, key + at);
      values[0][j] = ds0, values[1][j] = ds1;
      SplitRows<Words>(p + at, p0, p1);
      SplitRows<Words>(ds + at, ds0, ds1);
      low[0][j] = ds0, low[1][j] = ds1;
    }
    for (i64 row = 0; row < 2; ++row) {
      float* to = ds_words + row * kKeys + i / 2;
      store(Words::Round(values[row][0], values[row][1]), to);
      store(Words::Round(low[row][0], low[row][1]), to + kKeys / 2);
    }
  }
}

// A block rounded to AMX's tiles, in keys and rows; what that adds is masked.
inline ScoreBlock RoundToTiles(const ScoreBlock& block, i64 key0) {
  const i64 begin = key0 + round_down(block.begin - key0, kTileDepth);
  const i64 end = key0 + round_up(block.end - key0, kTileDepth), rows = round_up(block.rows, kTileDepth);
  const bool masked = block.masked || begin < block.begin || block.end < end;
  return {block.row, rows, begin, end, masked};
}

// AddToKeys and AddToQueries on AMX.
template <class Words>
void AddTilesToKeys(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
                    const ScoreBlock& visible, const KeyIntervals& intervals, i64 row0, i64 key0,
                    float scale) {
  const ScoreBlock block = RoundToTiles(visible, key0);
  const i64 row = block.row - row0, key = block.begin - key0, keys = block.end - block.begin;
  const i64 steps = s.row_words / kTileRows;
  float *p = s.p + row * kKeys + key, *ds = s.ds + row * kKeys + key;
  const auto rows_of = [&](const float* words) { return LeftTiles(words + row * s.row_words, s.row_words); };
  TileProduct(p, kKeys, rows_of(s.q_words), RightTiles(tile.k_transposed + key, kKeys), block.rows, keys,
              steps, false);
  TileProduct(ds, kKeys, rows_of(s.dy_words), RightTiles(tile.v_transposed + key, kKeys), block.rows, keys,
              steps, false);
  for (i64 r = 0; r < block.rows; r += 2) {
    // A row beyond the last sees nothing.
    const auto gradients_of = [&](i64 i) HWY_ATTR {
      if (i < visible.rows) return GradientsOf(s, intervals, row0, block.row + i, block.masked, scale);
      return RowGradients{zero(), zero(), zero(), 0, 0, true};
    };
    const RowGradients first = gradients_of(r), second = gradients_of(r + 1);
    SplitGradients<Words>(first, second, p + r * kKeys, ds + r * kKeys,
                          s.ds_words + (row + r) * kKeys + key / 2, block.begin, keys);
  }
  const SplitTerms terms{2, 0, kKeys};
  const auto add = [&](float* sums, const float* columns, const float* pairs) {
    TileProduct(sums + key, kKeys, LeftTiles(columns + row / 2, kRows / 2), RightTiles(pairs, 2 * kKeys),
                s.Dp, keys, block.rows / kTileDepth, true, terms);
  };
  add(tile.dv, s.dy, p);
  add(tile.dk, s.q, ds);
}

template <class Words>
void AddTilesToQueries(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
                       const ScoreBlock& visible, float* dq, i64 row0, i64 key0) {
  const ScoreBlock block = RoundToTiles(visible, key0);
  const i64 row = block.row - row0, key = block.begin - key0, stride = 2 * s.row_words;
  TileProduct(dq + row * s.Dp, s.Dp, LeftTiles(s.ds_words + row * kKeys + key / 2, kKeys),
              RightTiles(tile.k + key / 2 * stride, stride), block.rows, s.Dp,
              (block.end - block.begin) / kTileDepth, true, {2, kKeys / 2, 0});
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
