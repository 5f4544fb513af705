// A tile of queries against a tile of keys in the forward pass: scores, online softmax, and their products
// with v. Compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_FORWARD_BLOCK_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_FORWARD_BLOCK_H
#undef TRANSFUSION_FORWARD_BLOCK_H
#else
#define TRANSFUSION_FORWARD_BLOCK_H
#endif

#include <limits>
#include <utility>

#include "cpu/attention/shape.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/math.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

inline constexpr i64 kRows = 64, kKeys = 128;
inline constexpr i64 kMaxTiles = 8;  // tiles of rows that use a tile of keys once it is loaded
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Keys of a block are rounded to multiples of this: a pair of them in a word, or a step of tiles.
template <class Words>
inline constexpr i64 kKeyAlignment = Words::kAmx ? kTileDepth : Words::kDepth;

// One thread's scratch; Dp is D padded to whole vectors. For AMX, y and v are transposed, [Dp, kRows] and [2
// row_words, kKeys / 2], except for a single query.
template <class Words>
struct ForwardScratch {
  struct Rows {
    float* q;          // [words of D, kRows], with the sign of scale
    float* y;          // [kRows, Dp]
    float *m, *l;      // [kRows]; m in units of q . k
    i32 *start, *end;  // [kRows]
  };
  i64 D, Dp, row_words;
  float* k;           // [kKeys, row_words], words along D
  float* v;           // [kKeys / kDepth, kDepth row_words], words along keys
  float* loaded;      // [kKeys, row_words]: v in words along D
  float* transposed;  // as many, for AMX: where v and y are transposed
  float* scores;      // [kKeys, kRows], then p [kKeys / kDepth, kRows] in words along keys
  float* rescale;     // [kRows]: exp(old maximum - new one), for sums under the old one
  Rows rows[kMaxTiles];

  static i64 floats(i64 D, i64 row_tiles) {
    return (Words::kAmx ? 4 : 3) * kKeys * padded_words<Words>(D) + (kKeys + 1) * kRows +
           row_tiles * kRows * (2 * padded(D) + 4);
  }
  ForwardScratch(float* scratch, i64 D, i64 row_tiles)
      : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto allocate = [&](i64 count) { return std::exchange(scratch, scratch + count); };
    k = allocate(kKeys * row_words);
    v = allocate(kKeys * row_words);
    loaded = Words::kDepth == 1 ? v : allocate(kKeys * row_words);
    transposed = Words::kAmx ? allocate(kKeys * row_words) : nullptr;
    scores = allocate(kKeys * kRows);
    rescale = allocate(kRows);
    for (i64 i = 0; i < row_tiles; ++i) {
      Rows& r = rows[i];
      r.q = allocate(kRows * Dp), r.y = allocate(kRows * Dp);
      r.m = allocate(kRows), r.l = allocate(kRows);
      r.start = reinterpret_cast<i32*>(allocate(kRows)), r.end = reinterpret_cast<i32*>(allocate(kRows));
    }
  }
};

// The online softmax of one vector of rows from `row` on: scores become p = 2^(scale (score - m)), and the
// maximum m, the sum l and the rescale factors are brought up to date. Returns whether the maximum of any row
// has changed.
template <class Words>
bool OnlineSoftmax(const typename ForwardScratch<Words>::Rows& rows, float* rescales, i64 row, float* scores,
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
  const Vec rescale = exp2(hn::Sub(hn::Mul(old_max, factor), base));  // 1 where max stays
  Vec sum = hn::Mul(load(rows.l + row), rescale);
  const auto next = [&](float* score) HWY_ATTR {
    const Vec p = exp2(hn::MulSub(load(score), factor, base));
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
  store(rescale, rescales + row);
  return !hn::AllTrue(f32_tag, hn::Eq(max, old_max));
}

HWY_INLINE void RescaleRows(float* y, const float* rescales, i64 rows, i64 width) {
  for (i64 r = 0; r < rows; ++r) {
    const Vec rescale = set(rescales[r]);
    for (i64 c = 0; c < width; c += lanes())
      store(hn::Mul(load(y + r * width + c), rescale), y + r * width + c);
  }
}
HWY_INLINE void RescaleColumns(float* y, const float* rescales, i64 rows, i64 width) {
  for (i64 r = 0; r < width; r += lanes()) {
    const Vec rescale = load(rescales + r);
    for (i64 c = 0; c < rows; ++c) store(hn::Mul(load(y + c * kRows + r), rescale), y + c * kRows + r);
  }
}

// Adds the keys of one block to y, m and l; the tile of keys begins at key0, the tile of rows at row0.
template <class Words>
void AccumulateBlock(const ForwardScratch<Words>& s, const typename ForwardScratch<Words>::Rows& rows,
                     const ScoreBlock& block, i64 row0, i64 key0, float scale) {
  // Keys that rounding adds to the block are masked.
  const i64 begin = round_down(block.begin, kKeyAlignment<Words>);
  const i64 end = round_up(block.end, kKeyAlignment<Words>);
  const bool masked = block.masked || begin < block.begin || block.end < end;
  const i64 row = block.row - row0, key = begin - key0;
  float* scores = s.scores + row;
  const i64 width = padded(block.rows);
  if constexpr (Words::kAmx)
    TileProduct(scores, kRows, LeftTiles(s.k + key * s.row_words, s.row_words),
                RightTiles(rows.q + row, kRows), end - begin, width, s.row_words / kTileRows, false);
  else
    Product<Words>(scores, kRows, AsIs{s.k + key * s.row_words, s.row_words}, rows.q + row, kRows,
                   end - begin, block.rows, words<Words>(s.D), false);
  bool changed = false;
  for (i64 r = 0; r < block.rows; r += lanes())
    changed |= OnlineSoftmax<Words>(rows, s.rescale, row + r, scores + r, begin, end, masked, scale);
  if constexpr (Words::kAmx) {
    float* y = rows.y + row;
    if (changed) RescaleColumns(y, s.rescale + row, s.Dp, width);
    TileProduct(y, kRows, LeftTiles(s.v + key / 2, kKeys / 2), RightTiles(scores, kRows), s.Dp, width,
                (end - begin) / kTileDepth, true);
  } else {
    float* y = rows.y + row * s.Dp;
    if (changed) RescaleRows(y, s.rescale + row, block.rows, s.Dp);
    Product<Words>(y, s.Dp, Transposed{scores, kRows}, s.v + key * s.row_words, Words::kDepth * s.row_words,
                   block.rows, s.D, (end - begin) / Words::kDepth, true);
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
