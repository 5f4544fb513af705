// A tile of queries against a tile of keys, forward: scores, softmax and what it adds to the results.
// Compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_ATTENTION_FORWARD_BLOCK_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_ATTENTION_FORWARD_BLOCK_H
#undef TRANSFUSION_ATTENTION_FORWARD_BLOCK_H
#else
#define TRANSFUSION_ATTENTION_FORWARD_BLOCK_H
#endif

#include <limits>
#include <utility>

#include "cpu/attention/spans.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

inline constexpr i64 kRows = 64, kKeys = 128;
inline constexpr i64 kMostTiles = 8;  // tiles of rows that pass by a tile of keys once it is loaded
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Keys are taken by so many: whole words of them, or whole steps of tiles.
template <class Words>
inline constexpr i64 kGrain = Words::kTiled ? kTileDepth : Words::kDepth;

// One thread's scratch; Dp is D padded to whole vectors. Tiles have y and v turned: [Dp, kRows] and
// [2 row_words, kKeys / 2], except for a single row.
template <class Words>
struct ForwardScratch {
  struct Rows {
    float* q;          // [words of D, kRows], with the sign of scale
    float* y;          // [kRows, Dp]
    float *m, *l;      // [kRows]; m in units of q . k
    i32 *start, *end;  // [kRows]
  };
  i64 D, Dp, row_words;
  float* k;       // [kKeys, row_words], words along D
  float* v;       // [kKeys / kDepth, kDepth row_words], words along keys
  float* loaded;  // [kKeys, row_words]: v in words along D
  float* turned;  // as many, for tiles: while v or a result is being turned
  float* scores;  // [kKeys, kRows], then p [kKeys / kDepth, kRows] in words along keys
  float* decay;   // [kRows]: what the last maximum's sums are worth under the new one
  Rows rows[kMostTiles];

  static i64 floats(i64 D, i64 row_tiles) {
    return (Words::kTiled ? 4 : 3) * kKeys * padded_words<Words>(D) + (kKeys + 1) * kRows +
           row_tiles * kRows * (2 * padded(D) + 4);
  }
  ForwardScratch(float* own, i64 D, i64 row_tiles) : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto take = [&](i64 count) { return std::exchange(own, own + count); };
    k = take(kKeys * row_words);
    v = take(kKeys * row_words);
    loaded = Words::kDepth == 1 ? v : take(kKeys * row_words);
    turned = Words::kTiled ? take(kKeys * row_words) : nullptr;
    scores = take(kKeys * kRows);
    decay = take(kRows);
    for (i64 i = 0; i < row_tiles; ++i) {
      Rows& r = rows[i];
      r.q = take(kRows * Dp), r.y = take(kRows * Dp);
      r.m = take(kRows), r.l = take(kRows);
      r.start = reinterpret_cast<i32*>(take(kRows)), r.end = reinterpret_cast<i32*>(take(kRows));
    }
  }
};

// Turns the scores of one vector of rows from `row` on into p, and brings m, l and decay up to date; a
// difference of scores is worth `scale` in the exponent. Returns whether the maximum of any row has changed.
template <class Words>
bool SoftmaxColumns(const typename ForwardScratch<Words>::Rows& rows, float* decays, i64 row, float* scores,
                    i64 begin, i64 end, bool masked, float scale) {
  const hn::RebindToSigned<F32> i32_tag;
  const Vec old_max = load(rows.m + row), factor = set(scale);
  Vec max = old_max;
  if (masked) {
    const auto start = hn::LoadU(i32_tag, rows.start + row), stop = hn::LoadU(i32_tag, rows.end + row);
    for (i64 k = begin; k < end; ++k) {
      const auto key = hn::Set(i32_tag, static_cast<i32>(k));
      const auto hidden = hn::Or(hn::Lt(key, start), hn::Not(hn::Lt(key, stop)));
      float* score = scores + (k - begin) * kRows;
      const Vec seen = hn::IfThenElse(hn::RebindMask(f32_tag, hidden), set(-kInfinity), load(score));
      store(seen, score);
      max = hn::Max(max, seen);
    }
  } else {
    // Two chains: one alone would wait for each maximum.
    Vec other = old_max;
    i64 k = begin;
    for (; k + 1 < end; k += 2) {
      max = hn::Max(max, load(scores + (k - begin) * kRows));
      other = hn::Max(other, load(scores + (k + 1 - begin) * kRows));
    }
    if (k < end) max = hn::Max(max, load(scores + (k - begin) * kRows));
    max = hn::Max(max, other);
  }
  // A row that has not seen any key yet keeps m = -infinity; its differences must not become NaN.
  const Vec base = hn::IfThenElse(hn::Eq(max, set(-kInfinity)), zero(), hn::Mul(max, factor));
  const Vec decay = Exp2(hn::Sub(hn::Mul(old_max, factor), base));  // 1 where max stays
  Vec sum = hn::Mul(load(rows.l + row), decay);
  const auto next = [&](float* score) HWY_ATTR {
    const Vec p = Exp2(hn::MulSub(load(score), factor, base));
    sum = hn::Add(sum, p);
    return p;
  };
  for (i64 k = begin; k < end; k += Words::kDepth) {
    float* score = scores + (k - begin) * kRows;
    const Vec p = next(score);
    if constexpr (Words::kDepth == 1)
      store(p, score);
    else
      store(Words::PairUp(Words::Round(p, next(score + kRows))), scores + (k - begin) / 2 * kRows);
  }
  store(max, rows.m + row);
  store(sum, rows.l + row);
  store(decay, decays + row);
  return !hn::AllTrue(f32_tag, hn::Eq(max, old_max));
}

HWY_INLINE void DecayRows(float* y, const float* decays, i64 rows, i64 width) {
  for (i64 r = 0; r < rows; ++r) {
    const Vec decay = set(decays[r]);
    for (i64 c = 0; c < width; c += lanes())
      store(hn::Mul(load(y + r * width + c), decay), y + r * width + c);
  }
}
HWY_INLINE void DecayColumns(float* y, const float* decays, i64 rows, i64 width) {
  for (i64 r = 0; r < width; r += lanes()) {
    const Vec decay = load(decays + r);
    for (i64 c = 0; c < rows; ++c) store(hn::Mul(load(y + c * kRows + r), decay), y + c * kRows + r);
  }
}

// Takes the keys of one block into y, m and l; the key tile begins at key0, the tile of rows at row0.
template <class Words>
void AddBlock(const ForwardScratch<Words>& s, const typename ForwardScratch<Words>::Rows& rows,
              const ScoreBlock& block, i64 row0, i64 key0, float scale) {
  // What whole grains hold beyond the block is masked.
  const i64 begin = round_down(block.begin, kGrain<Words>);
  const i64 end = round_up(block.end, kGrain<Words>);
  const bool masked = block.masked || begin < block.begin || block.end < end;
  const i64 row = block.row - row0, key = begin - key0;
  float* scores = s.scores + row;
  const i64 width = padded(block.rows);
  if constexpr (Words::kTiled)
    TileProduct(scores, kRows, LeftTiles(s.k + key * s.row_words, s.row_words),
                RightTiles(rows.q + row, kRows), end - begin, width, s.row_words / kTileRows, false);
  else
    Product<Words>(scores, kRows, AsIs{s.k + key * s.row_words, s.row_words}, rows.q + row, kRows,
                   end - begin, block.rows, words<Words>(s.D), false);
  bool changed = false;
  for (i64 r = 0; r < block.rows; r += lanes())
    changed |= SoftmaxColumns<Words>(rows, s.decay, row + r, scores + r, begin, end, masked, scale);
  if constexpr (Words::kTiled) {
    float* y = rows.y + row;
    if (changed) DecayColumns(y, s.decay + row, s.Dp, width);
    TileProduct(y, kRows, LeftTiles(s.v + key / 2, kKeys / 2), RightTiles(scores, kRows), s.Dp, width,
                (end - begin) / kTileDepth, true);
  } else {
    float* y = rows.y + row * s.Dp;
    if (changed) DecayRows(y, s.decay + row, block.rows, s.Dp);
    Product<Words>(y, s.Dp, Transposed{scores, kRows}, s.v + key * s.row_words, Words::kDepth * s.row_words,
                   block.rows, s.D, (end - begin) / Words::kDepth, true);
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
