// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
// Parallel over (sequence, key head, tiles of keys): a task alone writes its dk and dv. Tasks add to dq one
// after the other, in ascending order of keys (see BackwardTask), in f32 scratch of dq's size: no result
// depends on threads. Where the CPU multiplies bf16, s and dp are such products. p and ds stay f32: rounded
// to bf16 they would cost the gradients more than their own rounding does; on AMX each is split into a high
// and a low bf16. Kept from the forward pass: y, y_lo, lse.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention/attention_backward.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include "cpu/attention/backward_block.h"
#include "cpu/attention/query_gradients.h"
#include "cpu/attention/shape.h"
#include "cpu/attention/tile_scheduler.h"
#include "cpu/cpu.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct BackwardCall {
  const AttentionShape& shape;
  T *dq, *dk, *dv;
  const T *dy, *q, *k, *v;
  const float *lse, *delta;  // [H, T]
  float scale;
};

// Loads the keys and values of a tile that some of `queries` sees, and zeros for the others.
template <class Words, class T>
void LoadKeys(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
              const KeyIntervals& intervals, QueryRange queries, const HeadRows<const T>& k,
              const HeadRows<const T>& v, i64 key0, i64 key_end) {
  const auto load_tile = [&]<class As>(As, float* to, const HeadRows<const T>& from) HWY_ATTR {
    const i64 stride = padded_words<As>(s.D);
    const auto at = [&](i64 key) { return to + (key - key0) * stride; };
    intervals.for_each_run(
        queries.begin, queries.end, key0, key_end,
        [&](i64 k0, i64 k1) HWY_ATTR { LoadTile<As>(at(k0), stride, from, k0, k1 - k0); },
        [&](i64 k0, i64 k1) { ZeroTile(at(k0), stride, k1 - k0); });
    ZeroTile(at(key_end), stride, key0 + kKeys - key_end);
  };
  const i64 depth = Words::kAmx ? s.row_words : words<Words>(s.D);
  load_tile(Words{}, s.loaded, v);
  TransposeTile(tile.v_transposed, kKeys, s.loaded, s.row_words, kKeys, depth);
  float* k_words = Words::kDepth == 1 ? tile.k : s.loaded;
  load_tile(Words{}, k_words, k);
  TransposeTile(tile.k_transposed, kKeys, k_words, s.row_words, kKeys, depth);
  if constexpr (Words::kAmx)
    Words::PairRows(tile.k, s.loaded, kKeys, s.D);
  else if (k_words != tile.k)
    load_tile(F32Words{}, tile.k, k);
  ZeroTile(tile.dk, s.Dp, kKeys);
  ZeroTile(tile.dv, s.Dp, kKeys);
}

// Loads rows [r0, r1) of q, dy, lse and delta into the tile of rows that begins at row0.
template <class Words, class T>
void LoadRows(const BackwardScratch<Words>& s, const BackwardCall<T>& call, const HeadRows<const T>& q,
              const HeadRows<const T>& dy, const KeyIntervals& intervals, i64 row0, i64 r0, i64 r1, i64 g,
              i64 query0) {
  const auto load_tile = [&](float* tile, float* tile_words, const HeadRows<const T>& from) HWY_ATTR {
    if (tile_words != tile)
      LoadTile<Words>(tile_words + (r0 - row0) * s.row_words, s.row_words, from, r0, r1 - r0);
    if constexpr (Words::kAmx) {
      const i64 rows = r1 - r0, whole = round_up(rows, kTileDepth);
      ZeroTile(tile_words + rows * s.row_words, s.row_words, whole - rows);
      TransposePairs(tile, kRows / 2, s.loaded, tile_words, s.row_words, whole);
    } else {
      LoadTile<F32Words>(tile + (r0 - row0) * s.Dp, s.Dp, from, r0, r1 - r0);
    }
  };
  load_tile(s.q, s.q_words, q);
  load_tile(s.dy, s.dy_words, dy);
  for (i64 row = r0; row < r1; ++row) {
    const i64 h = g * intervals.group + row % intervals.group;
    const i64 at = h * call.shape.T + query0 + intervals.query(row);
    s.lse[row - row0] = call.lse[at] * kLog2e;
    s.delta[row - row0] = call.delta[at];
  }
}

// Computes `key_tiles` tiles of keys, or those left of the sequence, from task.tile * key_tiles on, of one
// sequence and key head, against every tile of rows that may see them.
//
// The order of dq. A task of keys adds to the dq of many tiles of rows, and many tasks add to the dq of one.
// Added in the order in which threads get there, dq would round differently in every run. So a tile of rows
// has a counter of the tasks that have added to it, and a task waits until all those of earlier keys have.
// For a causal sequence of four tiles of keys, one per task, and four tiles of rows r0 .. r3, tile r seeing
// keys 0 .. r, on four threads:
//
//              step  1    2    3    4    5    6    7
//   task 0 (keys 0)  r0   r1   r2   r3
//   task 1 (keys 1)  .    .    r1   r2   r3               waits until task 0 has added to r1
//   task 2 (keys 2)  .    .    .    .    r2   r3          waits until tasks 0 and 1 have added to r2
//   task 3 (keys 3)  .    .    .    .    .    .    r3     the last for r3: it stores dq
//
//   dq[r3] = (((keys 0's share) + keys 1's) + keys 2's) + keys 3's, always
//
// So tasks follow each other over the rows in a staggered line, each at another tile of rows. They begin in
// ascending order (parallel_tasks): the earliest unfinished one never waits, and there is no deadlock. Which
// tasks add to a tile of rows, `turns`, follows from the intervals of its rows.
template <class Words, class T>
void BackwardTask(const BackwardCall<T>& call, QueryGradients& gradients, SequenceTile task, i64 key_tiles,
                  i64 g, float* scratch) {
  const AttentionShape& shape = call.shape;
  const i64 D = shape.D, b = task.sequence, rows = shape.rows(b), T0 = shape.query_rows[b];
  const BackwardScratch<Words> s(scratch, D, key_tiles);
  [[maybe_unused]] const TileConfigFor<Words> tile_config;
  const KeyIntervals intervals = shape.intervals(b);
  const auto query_head = [&](auto* data) { return HeadRows(data, T0, shape.H, g, shape.group, D); };
  const auto key_head = [&](auto* data) { return HeadRows(data, shape.key_rows[b], shape.G, g, 1, D); };
  const auto q = query_head(call.q), dy = query_head(call.dy);
  const auto dq = query_head(call.dq);
  const auto k = key_head(call.k), v = key_head(call.v);
  const auto dk = key_head(call.dk), dv = key_head(call.dv);

  const i64 keys = key_tiles * kKeys, begin = task.tile * keys, end = std::min(shape.keys(b), begin + keys);
  const QueryRange queries = queries_of_keys(intervals.start, intervals.end, shape.queries(b), begin, end);
  // Calls body(tile, its first key, one past its last) for the tiles with keys of [k0, k1).
  const auto for_each_tile = [&](i64 k0, i64 k1, const auto& body) {
    for (i64 key = k0 / kKeys * kKeys; key < k1; key += kKeys)
      body(s.keys[(key - begin) / kKeys], key, std::min(end, key + kKeys));
  };
  for_each_tile(begin, end, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
    LoadKeys(s, tile, intervals, queries, k, v, key0, key_end);
  });
  const i64 first = queries.begin * shape.group;
  // No query sees keys from `begin` on: there are no tiles of rows.
  const i64 last = first < rows ? queries.end * shape.group : first / kRows * kRows;
  for (i64 row0 = first / kRows * kRows; row0 < last; row0 += kRows) {
    const i64 row_end = std::min(rows, row0 + kRows);
    // On AMX all rows of the tile are computed, though some may see none of these keys.
    const i64 r0 = Words::kAmx ? row0 : std::max(row0, first);
    const i64 r1 = Words::kAmx ? row_end : std::min(row_end, last);
    const i64 index = gradients.index(b, g, row0 / kRows);
    float* sums = gradients.sums + index * kRows * s.Dp;
    const QueryRange turns = {intervals.start[intervals.query(row0)] / keys,
                              ceil_div(intervals.end[intervals.query(row_end - 1)], keys)};
    // Where intervals leave a gap, the rows may see keys before and after these, but none of them: the task
    // still takes its turn, for the tasks behind it.
    const bool sees = r0 < r1;
    const i64 k0 = sees ? std::max<i64>(begin, intervals.start[intervals.query(r0)]) : begin;
    const i64 k1 = sees ? std::min<i64>(end, intervals.end[intervals.query(r1 - 1)]) : begin;
    if (sees) LoadRows(s, call, q, dy, intervals, row0, r0, r1, g, T0);
    gradients.await_turn(index, task.tile - turns.begin);
    if (task.tile == turns.begin) ZeroTile(sums, s.Dp, kRows);
    for_each_tile(k0, k1, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
      const i64 i = (key0 - begin) / kKeys, next_end = std::min(last, row_end + kRows);
      PrefetchShare(q, row_end, next_end, i, key_tiles);
      PrefetchShare(dy, row_end, next_end, i, key_tiles);
      if (row_end < last) PrefetchShare(gradients.rows(b, g, row0 / kRows + 1), 0, kRows, i, key_tiles);
      const auto for_each_block = [&](const auto& body) {
        intervals.for_each_block(r0, r1, kStep<Words>, key0, key_end, body);
      };
      for_each_block([&](const ScoreBlock& block) HWY_ATTR {
        if constexpr (Words::kAmx)
          AddTilesToKeys(s, tile, block, intervals, row0, key0, call.scale * kLog2e);
        else
          AddToKeys(s, tile, block, intervals, row0, key0, call.scale * kLog2e);
      });
      for_each_block([&](const ScoreBlock& block) HWY_ATTR {
        if constexpr (Words::kAmx)
          AddTilesToQueries(s, tile, block, sums, row0, key0);
        else
          AddToQueries(s, tile, block, sums, row0, key0);
      });
    });
    if (task.tile + 1 == turns.end)
      for (i64 row = row0; row < row_end; ++row) StoreRow(dq, row, sums + (row - row0) * s.Dp, D, call.scale);
    gradients.end_turn(index);
  }
  for_each_tile(begin, end, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
    const auto store_tile = [&](const HeadRows<T>& to, const float* sums, float factor) HWY_ATTR {
      if (Words::kAmx) {
        TransposeTile(s.q, s.Dp, sums, kKeys, s.Dp, kKeys);
        sums = s.q;
      }
      for (i64 key = key0; key < key_end; ++key) StoreRow(to, key, sums + (key - key0) * s.Dp, D, factor);
    };
    store_tile(dk, tile.dk, call.scale);
    store_tile(dv, tile.dv, 1.0f);
  });
}

// delta[h, t] = dy[t, h] . (y + y_lo)[t, h]
template <class T>
void DotRows(float* delta, const T* dy, const T* y, const T* y_lo, const AttentionShape& shape) {
  const i64 D = shape.D;
  parallel_for(shape.T, row_grain(shape.H * D), [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 t = begin; t < end; ++t)
      for (i64 h = 0; h < shape.H; ++h) {
        const i64 offset = (t * shape.H + h) * D;
        Vec sum = zero();
        for_each(D, [&](i64 c, auto io) HWY_ATTR {
          const Vec gradient = io.load(dy + offset + c);
          sum = hn::MulAdd(gradient, io.load(y + offset + c), sum);
          if (y_lo) sum = hn::MulAdd(gradient, io.load(y_lo + offset + c), sum);
        });
        delta[h * shape.T + t] = sum_of(sum);
      }
  });
}

// Zeros for key slots before the first sequence and after the last.
template <class T>
void ZeroUnusedSlots(T* dk, const AttentionShape& shape) {
  const i64 slot = shape.G * shape.D, begin = shape.key_rows[0] * slot, end = shape.key_rows[shape.B] * slot;
  std::fill(dk, dk + begin, T{});
  std::fill(dk + end, dk + shape.K * slot, T{});
}

template <class Words, class T>
void Backward(Context& context, const BackwardCall<T>& call) {
  const AttentionShape& shape = call.shape;
  QueryGradients gradients(context, shape, kRows, padded(shape.D));
  parallel_tiles(
      context, shape, kKeys, kMaxTiles, [&](i64 b) { return shape.keys(b); },
      [&](i64 key_tiles) HWY_ATTR { return BackwardScratch<Words>::floats(shape.D, key_tiles); },
      [&](SequenceTile task, i64 key_tiles, i64 g, float* scratch)
          HWY_ATTR { BackwardTask<Words>(call, gradients, task, key_tiles, g, scratch); });
}

Status AttentionBackward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_lo, In lse, In q,
                         In k, In v, const AttentionShape& shape, f32 scale) {
  return with_float(q, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    float* delta = context.scratch<float>(shape.H * shape.T);
    DotRows(delta, dy.as<T>(), y.as<T>(), y_lo.as<T>(), shape);
    const BackwardCall<T> call = {shape,     dq.as<T>(), dk.as<T>(),      dv.as<T>(), dy.as<T>(), q.as<T>(),
                                  k.as<T>(), v.as<T>(),  lse.as<float>(), delta,      scale};
    ZeroUnusedSlots(dk.as<T>(), shape);
    ZeroUnusedSlots(dv.as<T>(), shape);
    with_amx_words<T>([&](auto words) HWY_ATTR { Backward<decltype(words)>(context, call); });
    return ok();
  });
}

}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(AttentionBackward);

Status attention_backward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_lo, In lse,
                          In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionShape shape(q, k, key_start, key_end, query_rows, key_rows);
  if (const Status status = shape.check(); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(AttentionBackward)(context, dq, dk, dv, dy, y, y_lo, lse, q, k, v, shape,
                                                 scale);
}

}  // namespace transfusion::cpu
#endif
