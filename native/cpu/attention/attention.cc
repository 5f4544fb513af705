// y[t, h] = sum_k p[t, k] v[k, g],  p[t] = softmax over key_start[t] <= k < key_end[t] of scale q[t, h] .
// k[k, g], with g = h // (H / G). As in FlashAttention, tiles of keys meet a tile of queries under a running
// maximum m and sum l, in base 2. Scores are stored transposed, [keys, rows], so that softmax works on a
// vector of rows at a time. Where the CPU multiplies bf16, p is rounded to it; sums stay f32. Parallel over
// (sequence, key head, tiles of rows). Tiles of keys lie on one grid per sequence and every sum ascends in
// keys, so a query's result has the same bits whatever other queries, sequences or unseen slots are beside
// it. Kept for the backward pass: y, lse = log sum_k exp(scale q . k), and with a bf16 y also y_lo, what
// rounding y to bf16 lost: without it dq would be too coarse where y . dy cancels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention/attention.cc"
#include <hwy/foreach_target.h>
// clang-format off: simd.h needs foreach_target.h first
#include <hwy/contrib/math/math-inl.h>

#include "cpu/attention/forward_block.h"
#include "cpu/attention/shape.h"
#include "cpu/attention/single_query.h"
#include "cpu/attention/tile_scheduler.h"
#include "cpu/cpu.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

// Loads keys and values of [begin, end), rounded to kKeyAlignment, that some query of [q0, q1) sees, and
// zeros for the others; the tile begins at key0.
template <class Words, class T>
void LoadKeys(const ForwardScratch<Words>& s, const KeyIntervals& intervals, i64 q0, i64 q1,
              const HeadRows<const T>& k, const HeadRows<const T>& v, i64 key0, i64 begin, i64 end,
              bool single) {
  begin = round_down(begin, kKeyAlignment<Words>);
  end = round_up(end, kKeyAlignment<Words>);
  const auto at = [&](float* tile, i64 key) { return tile + (key - key0) * s.row_words; };
  intervals.for_each_run(
      q0, q1, begin, end,
      [&](i64 k0, i64 k1) HWY_ATTR {
        LoadTile<Words>(at(s.k, k0), s.row_words, k, k0, k1 - k0);
        LoadTile<Words>(at(s.loaded, k0), s.row_words, v, k0, k1 - k0);
      },
      [&](i64 k0, i64 k1) {
        ZeroTile(at(s.k, k0), s.row_words, k1 - k0);
        ZeroTile(at(s.loaded, k0), s.row_words, k1 - k0);
      });
  if (Words::kAmx && !single)
    TransposePairs(s.v + (begin - key0) / 2, kKeys / 2, s.transposed, at(s.loaded, begin), s.row_words,
                   end - begin);
  else if constexpr (Words::kDepth == 2)
    Words::PairRows(at(s.v, begin), at(s.loaded, begin), end - begin, s.D);
}

// Loads the tile's queries, transposed; rows beyond the last are zeros and see no key.
template <class Words, class T>
void LoadQueries(const ForwardScratch<Words>& s, const typename ForwardScratch<Words>::Rows& tile,
                 const HeadRows<const T>& q, const KeyIntervals& intervals, i64 row0, i64 rows,
                 bool negative) {
  const i64 width = padded(rows);
  LoadTile<Words>(tile.y, s.row_words, q, row0, rows);
  ZeroTile(tile.y + rows * s.row_words, s.row_words, width - rows);
  if (negative) FlipSigns<Words>(tile.y, rows * s.row_words);
  TransposeTile(tile.q, kRows, tile.y, s.row_words, width, Words::kAmx ? s.row_words : words<Words>(s.D));
  ZeroTile(tile.y, s.Dp, Words::kAmx ? kRows : rows);
  for (i64 r = 0; r < width; ++r) {
    tile.m[r] = -kInfinity;
    tile.l[r] = 0;
    tile.start[r] = r < rows ? intervals.start[intervals.query(row0 + r)] : 0;
    tile.end[r] = r < rows ? intervals.end[intervals.query(row0 + r)] : 0;
  }
}

template <class T>
struct ForwardCall {
  const AttentionShape& shape;
  T *y, *y_lo;
  float* lse;  // [H, T]
  const T *q, *k, *v;
  float scale;  // |scale| log2(e): of exponents in base 2
  bool negative;
};

// Divides y by l and stores y, y_lo and lse.
template <class Words, class T>
void StoreResults(const ForwardCall<T>& call, const ForwardScratch<Words>& s,
                  const typename ForwardScratch<Words>::Rows& tile, const KeyIntervals& intervals, i64 query0,
                  i64 g, i64 row0, i64 row_end, bool single) {
  const HeadRows<T> ys(call.y, query0, call.shape.H, g, call.shape.group, call.shape.D);
  const float* all_sums = tile.y;
  if (Words::kAmx && !single) {
    TransposeTile(s.transposed, s.Dp, tile.y, kRows, s.Dp, padded(row_end - row0));
    all_sums = s.transposed;
  }
  for (i64 row = row0; row < row_end; ++row) {
    const float* sums = all_sums + (row - row0) * s.Dp;
    T* y = ys[row];
    const Vec factor = set(1.0f / tile.l[row - row0]);
    for_each(s.D, [&](i64 c, auto io) HWY_ATTR {
      const Vec value = hn::Mul(load(sums + c), factor);
      io.store(value, y + c);
      if (call.y_lo) io.store(hn::Sub(value, io.load(y + c)), call.y_lo + (y - call.y) + c);
    });
  }
  for (i64 r = 0; r < row_end - row0; r += lanes()) {
    const Vec sum = load(tile.l + r), base = hn::Mul(load(tile.m + r), set(call.scale));
    const Vec lse = hn::MulAdd(base, set(kLn2), hn::Log(f32_tag, sum));
    // Log makes a number of a NaN.
    store(hn::IfThenElse(hn::IsNaN(sum), sum, lse), tile.m + r);
  }
  for (i64 row = row0; row < row_end; ++row) {
    const i64 h = g * call.shape.group + row % call.shape.group;
    call.lse[h * call.shape.T + query0 + intervals.query(row)] = tile.m[row - row0];
  }
}

// Computes `row_tiles` tiles of rows, or those left of the sequence, from task.tile * row_tiles on.
template <class Words, class T>
void ForwardTask(const ForwardCall<T>& call, SequenceTile task, i64 row_tiles, i64 g, float* scratch) {
  const AttentionShape& shape = call.shape;
  const i64 D = shape.D, b = task.sequence;
  const i64 query0 = shape.query_rows[b], slot0 = shape.key_rows[b];
  const ForwardScratch<Words> s(scratch, D, row_tiles);
  [[maybe_unused]] const TileConfigFor<Words> tile_config;
  const KeyIntervals intervals = shape.intervals(b);
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
      LoadQueries<Words>(s, tile, q, intervals, row0, row_end - row0, call.negative);
  });
  const i64 q0 = intervals.query(first), q1 = intervals.query(last - 1) + 1;
  for (i64 key0 = intervals.start[q0] / kKeys * kKeys; key0 < intervals.end[q1 - 1]; key0 += kKeys) {
    const i64 begin = std::max<i64>(key0, intervals.start[q0]);
    const i64 end = std::min<i64>(key0 + kKeys, intervals.end[q1 - 1]);
    LoadKeys<Words>(s, intervals, q0, q1, k, v, key0, begin, end, single);
    const i64 next_end = std::min<i64>(key0 + 2 * kKeys, intervals.end[q1 - 1]);
    for_each_tile([&](const auto& tile, i64 row0, i64 row_end) HWY_ATTR {
      const i64 i = &tile - s.rows, n = ceil_div(last - first, kRows);
      PrefetchShare(k, key0 + kKeys, next_end, i, n);
      PrefetchShare(v, key0 + kKeys, next_end, i, n);
      if (single) return AddKeysToRow<Words>(s, tile, key0, begin, end, call.scale);
      intervals.for_each_block(row0, row_end, lanes(), begin, end, [&](const ScoreBlock& block) HWY_ATTR {
        AccumulateBlock<Words>(s, tile, block, row0, key0, call.scale);
      });
    });
  }
  for_each_tile([&](const auto& tile, i64 row0, i64 row_end) HWY_ATTR {
    StoreResults<Words>(call, s, tile, intervals, query0, g, row0, row_end, single);
  });
}

template <class Words, class T>
void Forward(Context& context, const ForwardCall<T>& call) {
  const AttentionShape& shape = call.shape;
  parallel_tiles(
      context, shape, kRows, kMaxTiles, [&](i64 b) { return shape.rows(b); },
      [&](i64 row_tiles) HWY_ATTR { return ForwardScratch<Words>::floats(shape.D, row_tiles); },
      [&](SequenceTile task, i64 row_tiles, i64 g, float* scratch)
          HWY_ATTR { ForwardTask<Words>(call, task, row_tiles, g, scratch); });
}

Status Attention(Context& context, Out y, OutOptional y_lo, Out lse, In q, In k, In v,
                 const AttentionShape& shape, f32 scale) {
  return with_float(q, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    // Never zero: a hidden score of -infinity times zero would be NaN.
    const float exponent = std::max(std::abs(scale) * kLog2e, std::numeric_limits<float>::min());
    const ForwardCall<T> call = {shape,     y.as<T>(), y_lo.as<T>(), lse.as<float>(), q.as<T>(),
                                 k.as<T>(), v.as<T>(), exponent,     scale < 0};
    with_amx_words<T>([&](auto words) HWY_ATTR { Forward<decltype(words)>(context, call); });
    return ok();
  });
}

}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Attention);

Status attention(Context& context, Out y, OutOptional y_lo, Out lse, In q, In k, In v, In key_start,
                 In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionShape shape(q, k, key_start, key_end, query_rows, key_rows);
  if (const Status status = shape.check(); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(Attention)(context, y, y_lo, lse, q, k, v, shape, scale);
}

}  // namespace transfusion::cpu
#endif
