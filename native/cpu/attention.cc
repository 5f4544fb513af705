// y[t, h] = sum_k p[t, k] v[k, g],  p[t] = softmax over key_start[t] <= k < key_end[t] of scale q[t, h] .
// k[k, g] with g = h // (H / G). Flash: tiles of keys pass by a tile of queries with a running maximum m and
// sum l, in base 2. Scores lie transposed, [keys, rows], so that softmax works on a vector of rows at a time.
// Parallel over (sequence, key head, tiles of rows). Key tiles lie on one grid per sequence and every sum
// ascends in keys: a query's result has the same bits whatever other queries, sequences or unseen slots are
// beside it. Where the CPU multiplies bf16, p is rounded to it, and sums stay f32. Kept for the backward
// pass: y and lse = log sum_k exp(scale q . k); beside a bf16 y also y_rest, what rounding lost, without
// which dq would be too coarse where y . dy cancels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cc"
#include <hwy/foreach_target.h>
// clang-format off: simd.h needs foreach_target.h first
#include <hwy/contrib/math/math-inl.h>

#include <limits>
#include <utility>

#include "cpu/attention_row.h"
#include "cpu/attention_spans.h"
#include "cpu/cpu.h"
#include "cpu/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kRows = 64, kKeys = 128;
constexpr i64 kMostTiles = 8;  // tiles of rows that pass by a tile of keys once it is loaded
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One thread's scratch; Dp is D padded to whole vectors.
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
  float* scores;  // [kKeys, kRows], then p [kKeys / kDepth, kRows] in words along keys
  float* decay;   // [kRows]: what the last maximum's sums are worth under the new one
  Rows rows[kMostTiles];

  static i64 floats(i64 D, i64 row_tiles) {
    return 3 * kKeys * padded_words<Words>(D) + (kKeys + 1) * kRows + row_tiles * kRows * (2 * padded(D) + 4);
  }
  ForwardScratch(float* own, i64 D, i64 row_tiles) : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto take = [&](i64 count) { return std::exchange(own, own + count); };
    k = take(kKeys * row_words);
    v = take(kKeys * row_words);
    loaded = Words::kDepth == 1 ? v : take(kKeys * row_words);
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

// Takes the keys of one block into y, m and l; the key tile begins at key0, the tile of rows at row0.
template <class Words>
void AddBlock(const ForwardScratch<Words>& s, const typename ForwardScratch<Words>::Rows& rows,
              const ScoreBlock& block, i64 row0, i64 key0, float scale) {
  // Whole words of keys: what they hold beyond the block is masked.
  const i64 begin = block.begin / Words::kDepth * Words::kDepth;
  const i64 end = ceil_div(block.end, Words::kDepth) * Words::kDepth;
  const bool masked = block.masked || begin < block.begin || block.end < end;
  const i64 row = block.row - row0, key = begin - key0;
  float* scores = s.scores + row;
  float* y = rows.y + row * s.Dp;
  Product<Words>(scores, kRows, AsIs{s.k + key * s.row_words, s.row_words}, rows.q + row, kRows, end - begin,
                 block.rows, words<Words>(s.D), false);
  bool changed = false;
  for (i64 r = 0; r < block.rows; r += lanes())
    changed |= SoftmaxColumns<Words>(rows, s.decay, row + r, scores + r, begin, end, masked, scale);
  if (changed)
    for (i64 r = 0; r < block.rows; ++r) {
      const Vec decay = set(s.decay[row + r]);
      for (i64 c = 0; c < s.Dp; c += lanes()) store(hn::Mul(load(y + r * s.Dp + c), decay), y + r * s.Dp + c);
    }
  Product<Words>(y, s.Dp, Transposed{scores, kRows}, s.v + key * s.row_words, Words::kDepth * s.row_words,
                 block.rows, s.D, (end - begin) / Words::kDepth, true);
}

// Keys and values of [begin, end) that some query of [q0, q1) sees, and zeros for the others, down to whole
// words of keys; the tile begins at key0.
template <class Words, class T>
void LoadKeys(const ForwardScratch<Words>& s, const RowSpans& spans, i64 q0, i64 q1,
              const HeadRows<const T>& k, const HeadRows<const T>& v, i64 key0, i64 begin, i64 end) {
  begin = begin / Words::kDepth * Words::kDepth;
  end = ceil_div(end, Words::kDepth) * Words::kDepth;
  const auto at = [&](float* tile, i64 key) { return tile + (key - key0) * s.row_words; };
  spans.for_each_run(
      q0, q1, begin, end,
      [&](i64 k0, i64 k1) HWY_ATTR {
        LoadTile<Words>(at(s.k, k0), s.row_words, k, k0, k1 - k0);
        LoadTile<Words>(at(s.loaded, k0), s.row_words, v, k0, k1 - k0);
      },
      [&](i64 k0, i64 k1) {
        ZeroTile(at(s.k, k0), s.row_words, k1 - k0);
        ZeroTile(at(s.loaded, k0), s.row_words, k1 - k0);
      });
  if constexpr (Words::kDepth == 2) Words::PairRows(at(s.v, begin), at(s.loaded, begin), end - begin, s.D);
}

// The tile's queries, transposed, the rows beyond the last zero and seeing nothing.
template <class Words, class T>
void LoadQueries(const ForwardScratch<Words>& s, const typename ForwardScratch<Words>::Rows& tile,
                 const HeadRows<const T>& q, const RowSpans& spans, i64 row0, i64 rows, bool negative) {
  const i64 width = padded(rows);
  LoadTile<Words>(tile.y, s.row_words, q, row0, rows);
  ZeroTile(tile.y + rows * s.row_words, s.row_words, width - rows);
  if (negative) FlipSigns<Words>(tile.y, rows * s.row_words);
  TransposeTile(tile.q, kRows, tile.y, s.row_words, width, words<Words>(s.D));
  ZeroTile(tile.y, s.Dp, rows);
  for (i64 r = 0; r < width; ++r) {
    tile.m[r] = -kInfinity;
    tile.l[r] = 0;
    tile.start[r] = r < rows ? spans.start[spans.query(row0 + r)] : 0;
    tile.end[r] = r < rows ? spans.end[spans.query(row0 + r)] : 0;
  }
}

template <class T>
struct ForwardCall {
  const AttentionSpans& shape;
  T *y, *y_rest;
  float* lse;  // [H, T]
  const T *q, *k, *v;
  float scale;  // in units of log 2, without its sign
  bool negative;
};

// Divides by the sums and writes y, what is left of it, and lse.
template <class Words, class T>
void StoreResults(const ForwardCall<T>& call, const ForwardScratch<Words>& s,
                  const typename ForwardScratch<Words>::Rows& tile, const RowSpans& spans, i64 query0, i64 g,
                  i64 row0, i64 row_end) {
  const HeadRows<T> ys(call.y, query0, call.shape.H, g, call.shape.group, call.shape.D);
  for (i64 row = row0; row < row_end; ++row) {
    float* sums = tile.y + (row - row0) * s.Dp;
    T* y = ys[row];
    const Vec factor = set(1.0f / tile.l[row - row0]);
    for_each(s.D, [&](i64 c, auto io) HWY_ATTR {
      const Vec value = hn::Mul(load(sums + c), factor);
      io.store(value, y + c);
      if (call.y_rest) io.store(hn::Sub(value, io.load(y + c)), call.y_rest + (y - call.y) + c);
    });
  }
  for (i64 r = 0; r < row_end - row0; r += lanes()) {
    const Vec log_sum = hn::Log(f32_tag, load(tile.l + r));
    const Vec base = hn::Mul(load(tile.m + r), set(call.scale));
    store(hn::MulAdd(base, set(kLn2), log_sum), tile.m + r);
  }
  for (i64 row = row0; row < row_end; ++row) {
    const i64 h = g * call.shape.group + row % call.shape.group;
    call.lse[h * call.shape.T + query0 + spans.query(row)] = tile.m[row - row0];
  }
}

// `row_tiles` tiles of rows, or what is left of them, from task.tile * row_tiles on.
template <class Words, class T>
void ForwardTask(const ForwardCall<T>& call, SequenceTile task, i64 row_tiles, i64 g, float* scratch) {
  const AttentionSpans& shape = call.shape;
  const i64 D = shape.D, b = task.sequence;
  const i64 query0 = shape.query_rows[b], slot0 = shape.key_rows[b];
  const ForwardScratch<Words> s(scratch, D, row_tiles);
  const RowSpans spans = shape.spans(b);
  const HeadRows<const T> q(call.q, query0, shape.H, g, shape.group, D);
  const HeadRows<const T> k(call.k, slot0, shape.G, g, 1, D), v(call.v, slot0, shape.G, g, 1, D);

  const i64 first = task.tile * row_tiles * kRows, last = std::min(shape.rows(b), first + row_tiles * kRows);
  const auto for_each_tile = [&](const auto& body) {
    for (i64 row = first; row < last; row += kRows)
      body(s.rows[(row - first) / kRows], row, std::min(last, row + kRows));
  };
  const bool single = last - first == 1;
  for_each_tile([&](const auto& tile, i64 row0, i64 row_end) HWY_ATTR {
    if (single)
      LoadRow<Words>(s, tile, q, row0, call.negative);
    else
      LoadQueries<Words>(s, tile, q, spans, row0, row_end - row0, call.negative);
  });
  const i64 q0 = spans.query(first), q1 = spans.query(last - 1) + 1;
  for (i64 key0 = spans.start[q0] / kKeys * kKeys; key0 < spans.end[q1 - 1]; key0 += kKeys) {
    const i64 begin = std::max<i64>(key0, spans.start[q0]);
    const i64 end = std::min<i64>(key0 + kKeys, spans.end[q1 - 1]);
    LoadKeys<Words>(s, spans, q0, q1, k, v, key0, begin, end);
    const i64 next_end = std::min<i64>(key0 + 2 * kKeys, spans.end[q1 - 1]);
    for_each_tile([&](const auto& tile, i64 row0, i64 row_end) HWY_ATTR {
      const i64 i = &tile - s.rows, n = ceil_div(last - first, kRows);
      PrefetchShare(k, key0 + kKeys, next_end, i, n);
      PrefetchShare(v, key0 + kKeys, next_end, i, n);
      if (single) return AddKeysToRow<Words>(s, tile, key0, begin, end, call.scale);
      spans.for_each_block(row0, row_end, lanes(), begin, end, [&](const ScoreBlock& block) HWY_ATTR {
        AddBlock<Words>(s, tile, block, row0, key0, call.scale);
      });
    });
  }
  for_each_tile([&](const auto& tile, i64 row0, i64 row_end)
                    HWY_ATTR { StoreResults<Words>(call, s, tile, spans, query0, g, row0, row_end); });
}

template <class Words, class T>
void Forward(Context& context, const ForwardCall<T>& call) {
  const AttentionSpans& shape = call.shape;
  parallel_tiles(
      context, shape, kRows, kMostTiles, [&](i64 b) { return shape.rows(b); },
      [&](i64 row_tiles) HWY_ATTR { return ForwardScratch<Words>::floats(shape.D, row_tiles); },
      [&](SequenceTile task, i64 row_tiles, i64 g, float* scratch)
          HWY_ATTR { ForwardTask<Words>(call, task, row_tiles, g, scratch); });
}

Status Attention(Context& context, Out y, OutOptional y_rest, Out lse, In q, In k, In v,
                 const AttentionSpans& shape, f32 scale) {
  return with_float(q, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    // Never zero, so that a hidden score stays -infinity.
    const float exponent = std::max(std::abs(scale) * kLog2e, std::numeric_limits<float>::min());
    const ForwardCall<T> call = {shape,     y.as<T>(), y_rest.as<T>(), lse.as<float>(), q.as<T>(),
                                 k.as<T>(), v.as<T>(), exponent,       scale < 0};
    with_words<T>([&](auto words) HWY_ATTR { Forward<decltype(words)>(context, call); });
    return ok();
  });
}

}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Attention);

Status attention(Context& context, Out y, OutOptional y_rest, Out lse, In q, In k, In v, In key_start,
                 In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionSpans shape(q, k, key_start, key_end, query_rows, key_rows);
  if (const Status status = shape.check(); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(Attention)(context, y, y_rest, lse, q, k, v, shape, scale);
}

}  // namespace transfusion::cpu
#endif
