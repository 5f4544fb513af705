// Attention of a single query, as in decoding: with keys in the lanes, where the tiles of attention.cc have
// rows and would leave all lanes but one empty. Every sum has the same terms in the same order as there.
// Compiled once per SIMD target as simd.h is.
#if defined(TRANSFUSION_SINGLE_QUERY_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_SINGLE_QUERY_H
#undef TRANSFUSION_SINGLE_QUERY_H
#else
#define TRANSFUSION_SINGLE_QUERY_H
#endif

#include <limits>

#include "cpu/attention/forward_block.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// Loads the row's query as words; m, l and y begin as those of no keys.
template <class Words, class Scratch, class Rows>
void LoadRow(const Scratch& s, const typename Scratch::Rows& row, const Rows& q, i64 index, bool negative) {
  LoadTile<Words>(row.q, s.row_words, q, index, 1);
  if (negative) FlipSigns<Words>(row.q, s.row_words);
  ZeroTile(row.y, s.Dp, 1);
  *row.m = -std::numeric_limits<float>::infinity();
  *row.l = 0;
}

// scores[i] of keys first .. first + count - 1 of the tile that s.k holds; count is rounded up to whole
// vectors.
template <class Words, class Scratch>
void RowScores(const Scratch& s, const float* q, i64 first, i64 count) {
  for (i64 i = 0; i < count; i += lanes()) {
    Vec sum = zero();
    for (i64 word = 0; word < s.row_words; word += lanes()) {
      Vec columns[kMaxLanes];
      LoadColumns(columns, s.k + (first + i) * s.row_words + word, s.row_words);
      if constexpr (Words::kAmx) {
        EmulatedTileDot dot{zero(), zero()};
#pragma GCC unroll 16
        for (int c = 0; c < kMaxLanes; ++c) dot.Add(set(q[word + c]), columns[c]);
        sum = hn::Add(sum, dot.Sum());
      } else {
#pragma GCC unroll 16
        for (int c = 0; c < kMaxLanes; ++c) sum = Words::MulAdd(set(q[word + c]), columns[c], sum);
      }
    }
    store(sum, s.scores + i);
  }
}

// y [width] += p v with p [words] and v [words, width], in whole steps and the order of AMX.
HWY_INLINE void AddEmulatedTileDots(float* y, const float* p, const float* v, i64 stride, i64 count,
                                    i64 width) {
  for (i64 c = 0; c < width; c += lanes()) {
    Vec sum = load(y + c);
    for (i64 word = 0; word < count; word += kTileRows) {
      EmulatedTileDot dot{zero(), zero()};
      for (i64 i = word; i < word + kTileRows; ++i) dot.Add(set(p[i]), load(v + i * stride + c));
      sum = hn::Add(sum, dot.Sum());
    }
    store(sum, y + c);
  }
}

// Adds keys [begin, end) of the tile that begins at key0 to the row's y, m and l, as AccumulateBlock does; k
// and v are loaded.
template <class Words, class Scratch>
void AddKeysToRow(const Scratch& s, const typename Scratch::Rows& row, i64 key0, i64 begin, i64 end,
                  float scale) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const i64 first = round_down(begin, kKeyAlignment<Words>) - key0;
  const i64 count = round_up(end, kKeyAlignment<Words>) - key0 - first;
  RowScores<Words>(s, row.q, first, count);
  float* scores = s.scores;
  // Keys that rounding to kKeyAlignment and to vectors adds to the interval are masked.
  for (i64 i = 0; i < begin - key0 - first; ++i) scores[i] = kNone;
  for (i64 i = end - key0 - first; i < padded(count); ++i) scores[i] = kNone;

  Vec most = set(*row.m);
  for (i64 i = 0; i < count; i += lanes()) most = hn::Max(most, load(scores + i));
  const float old_max = *row.m, max = max_of(most), base = max == kNone ? 0.0f : max * scale;
  const Vec factor = set(scale), bases = set(base);
  const Vec rescale = exp2(set(old_max * scale - base));
  for (i64 i = 0; i < count; i += lanes())
    store(exp2(hn::MulSub(load(scores + i), factor, bases)), scores + i);
  float sum = *row.l * hn::GetLane(rescale);
  for (i64 i = 0; i < count; ++i) sum += scores[i];
  *row.m = max;
  *row.l = sum;
  if constexpr (Words::kDepth == 2)
    for (i64 i = 0; i < count; i += 2 * lanes()) {
      const Vec second = i + lanes() < count ? load(scores + i + lanes()) : zero();
      store(Words::Round(load(scores + i), second), scores + i / 2);
    }
  if (max != old_max)
    for (i64 c = 0; c < s.Dp; c += lanes()) store(hn::Mul(load(row.y + c), rescale), row.y + c);
  const float* v = s.v + first * s.row_words;
  const i64 stride = Words::kDepth * s.row_words, depth = count / Words::kDepth;
  if constexpr (Words::kAmx)
    AddEmulatedTileDots(row.y, scores, v, stride, depth, s.Dp);
  else
    Product<Words>(row.y, s.Dp, AsIs{scores, 0}, v, stride, 1, s.D, depth, true);
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
