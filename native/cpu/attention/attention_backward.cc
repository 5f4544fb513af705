// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
// Parallel over (sequence, key head, tile of keys), which alone writes its dk and dv. dq's sums ascend in key
// tiles: each task waits, for each tile of rows, until the key tiles before have added theirs, so that tasks
// follow each other over the rows in a staggered line, and bits never depend on threads.
// Where the CPU multiplies bf16, s and dp are such products; p and ds stay f32: rounded, they would cost the
// gradients more than their own rounding does. In matrix registers they are split in two bf16 each. Kept from
// the forward pass: y, y_rest, lse. dq is summed in f32 scratch of its own size.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention/attention_backward.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include "cpu/attention/backward_block.h"
#include "cpu/attention/query_gradients.h"
#include "cpu/attention/spans.h"
#include "cpu/cpu.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct BackwardCall {
  const AttentionSpans& shape;
  T *dq, *dk, *dv;
  const T *dy, *q, *k, *v;
  const float *lse, *delta;  // [H, T]
  float scale;
};

// Loads keys and values that some query of the sequence sees, and zeros for the others.
template <class Words, class T>
void LoadKeys(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
              const RowSpans& spans, QueryRange queries, const HeadRows<const T>& k,
              const HeadRows<const T>& v, i64 key0, i64 key_end) {
  const auto load_tile = [&]<class As>(As, float* to, const HeadRows<const T>& from) HWY_ATTR {
    const i64 stride = padded_words<As>(s.D);
    const auto at = [&](i64 key) { return to + (key - key0) * stride; };
    spans.for_each_run(
        queries.begin, queries.end, key0, key_end,
        [&](i64 k0, i64 k1) HWY_ATTR { LoadTile<As>(at(k0), stride, from, k0, k1 - k0); },
        [&](i64 k0, i64 k1) { ZeroTile(at(k0), stride, k1 - k0); });
    ZeroTile(at(key_end), stride, key0 + kKeys - key_end);
  };
  const i64 depth = Words::kTiled ? s.row_words : words<Words>(s.D);
  load_tile(Words{}, s.loaded, v);
  TransposeTile(tile.v_transposed, kKeys, s.loaded, s.row_words, kKeys, depth);
  float* k_words = Words::kDepth == 1 ? tile.k : s.loaded;
  load_tile(Words{}, k_words, k);
  TransposeTile(tile.k_transposed, kKeys, k_words, s.row_words, kKeys, depth);
  if constexpr (Words::kTiled)
    Words::PairRows(tile.k, s.loaded, kKeys, s.D);
  else if (k_words != tile.k)
    load_tile(Floats{}, tile.k, k);
  ZeroTile(tile.dk, s.Dp, kKeys);
  ZeroTile(tile.dv, s.Dp, kKeys);
}

// Rows [r0, r1) of the tile of rows at row0.
template <class Words, class T>
void LoadRows(const BackwardScratch<Words>& s, const BackwardCall<T>& call, const HeadRows<const T>& q,
              const HeadRows<const T>& dy, const RowSpans& spans, i64 row0, i64 r0, i64 r1, i64 g,
              i64 query0) {
  const auto load_tile = [&](float* tile, float* tile_words, const HeadRows<const T>& from) HWY_ATTR {
    if (tile_words != tile)
      LoadTile<Words>(tile_words + (r0 - row0) * s.row_words, s.row_words, from, r0, r1 - r0);
    if constexpr (Words::kTiled) {
      const i64 rows = r1 - r0, whole = round_up(rows, kTileDepth);
      ZeroTile(tile_words + rows * s.row_words, s.row_words, whole - rows);
      TurnPairs(tile, kRows / 2, s.loaded, tile_words, s.row_words, whole);
    } else {
      LoadTile<Floats>(tile + (r0 - row0) * s.Dp, s.Dp, from, r0, r1 - r0);
    }
  };
  load_tile(s.q, s.q_words, q);
  load_tile(s.dy, s.dy_words, dy);
  for (i64 row = r0; row < r1; ++row) {
    const i64 h = g * spans.group + row % spans.group;
    const i64 at = h * call.shape.T + query0 + spans.query(row);
    s.lse[row - row0] = call.lse[at] * kLog2e;
    s.delta[row - row0] = call.delta[at];
  }
}

// `key_tiles` tiles of keys, or what is left of them, from task.tile * key_tiles on, of one sequence and key
// head, against every tile of rows that may see them.
template <class Words, class T>
void BackwardTask(const BackwardCall<T>& call, QueryGradients& gradients, SequenceTile task, i64 key_tiles,
                  i64 g, float* scratch) {
  const AttentionSpans& shape = call.shape;
  const i64 D = shape.D, b = task.sequence, rows = shape.rows(b), T0 = shape.query_rows[b];
  const BackwardScratch<Words> s(scratch, D, key_tiles);
  [[maybe_unused]] const Registers<Words> registers;
  const RowSpans spans = shape.spans(b);
  const auto query_head = [&](auto* data) { return HeadRows(data, T0, shape.H, g, shape.group, D); };
  const auto key_head = [&](auto* data) { return HeadRows(data, shape.key_rows[b], shape.G, g, 1, D); };
  const auto q = query_head(call.q), dy = query_head(call.dy);
  const auto dq = query_head(call.dq);
  const auto k = key_head(call.k), v = key_head(call.v);
  const auto dk = key_head(call.dk), dv = key_head(call.dv);

  const i64 keys = key_tiles * kKeys, begin = task.tile * keys, end = std::min(shape.keys(b), begin + keys);
  const QueryRange queries = queries_of_keys(spans.start, spans.end, shape.queries(b), begin, end);
  // Calls body(tile, its first key, one past its last) for the tiles with keys of [k0, k1).
  const auto for_each_tile = [&](i64 k0, i64 k1, const auto& body) {
    for (i64 key = k0 / kKeys * kKeys; key < k1; key += kKeys)
      body(s.keys[(key - begin) / kKeys], key, std::min(end, key + kKeys));
  };
  for_each_tile(begin, end, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
    LoadKeys(s, tile, spans, queries, k, v, key0, key_end);
  });
  const i64 first = queries.begin * shape.group;
  // Keys behind all that any query sees have no tile of rows to wait for.
  const i64 last = first < rows ? queries.end * shape.group : first / kRows * kRows;
  for (i64 row0 = first / kRows * kRows; row0 < last; row0 += kRows) {
    const i64 row_end = std::min(rows, row0 + kRows);
    // Tiles take whole ones of rows, of which some may see nothing here.
    const i64 r0 = Words::kTiled ? row0 : std::max(row0, first);
    const i64 r1 = Words::kTiled ? row_end : std::min(row_end, last);
    const i64 index = gradients.index(b, g, row0 / kRows);
    float* sums = gradients.sums + index * kRows * s.Dp;
    const QueryRange turns = {spans.start[spans.query(row0)] / keys,
                              ceil_div(spans.end[spans.query(row_end - 1)], keys)};
    // A tile's rows may see keys on both sides and none here: it is this task's turn all the same.
    const bool sees = r0 < r1;
    const i64 k0 = sees ? std::max<i64>(begin, spans.start[spans.query(r0)]) : begin;
    const i64 k1 = sees ? std::min<i64>(end, spans.end[spans.query(r1 - 1)]) : begin;
    if (sees) LoadRows(s, call, q, dy, spans, row0, r0, r1, g, T0);
    gradients.await_turn(index, task.tile - turns.begin);
    if (task.tile == turns.begin) ZeroTile(sums, s.Dp, kRows);
    for_each_tile(k0, k1, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
      const i64 i = (key0 - begin) / kKeys, next_end = std::min(last, row_end + kRows);
      PrefetchShare(q, row_end, next_end, i, key_tiles);
      PrefetchShare(dy, row_end, next_end, i, key_tiles);
      if (row_end < last) PrefetchShare(gradients.rows(b, g, row0 / kRows + 1), 0, kRows, i, key_tiles);
      const auto for_each_block = [&](const auto& body) {
        spans.for_each_block(r0, r1, kStep<Words>, key0, key_end, body);
      };
      for_each_block([&](const ScoreBlock& block) HWY_ATTR {
        if constexpr (Words::kTiled)
          AddTilesToKeys(s, tile, block, spans, row0, key0, call.scale * kLog2e);
        else
          AddToKeys(s, tile, block, spans, row0, key0, call.scale * kLog2e);
      });
      for_each_block([&](const ScoreBlock& block) HWY_ATTR {
        if constexpr (Words::kTiled)
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
      if (Words::kTiled) {
        TransposeTile(s.q, s.Dp, sums, kKeys, s.Dp, kKeys);
        sums = s.q;
      }
      for (i64 key = key0; key < key_end; ++key) StoreRow(to, key, sums + (key - key0) * s.Dp, D, factor);
    };
    store_tile(dk, tile.dk, call.scale);
    store_tile(dv, tile.dv, 1.0f);
  });
}

// delta[h, t] = dy[t, h] . y[t, h], with what rounding y has lost where that was kept
template <class T>
void DotRows(float* delta, const T* dy, const T* y, const T* y_rest, const AttentionSpans& shape) {
  const i64 D = shape.D;
  parallel_for(shape.T, row_grain(shape.H * D), [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 t = begin; t < end; ++t)
      for (i64 h = 0; h < shape.H; ++h) {
        const i64 offset = (t * shape.H + h) * D;
        Vec sum = zero();
        for_each(D, [&](i64 c, auto io) HWY_ATTR {
          const Vec gradient = io.load(dy + offset + c);
          sum = hn::MulAdd(gradient, io.load(y + offset + c), sum);
          if (y_rest) sum = hn::MulAdd(gradient, io.load(y_rest + offset + c), sum);
        });
        delta[h * shape.T + t] = sum_of(sum);
      }
  });
}

// Key slots before the first sequence and behind the last have no gradient.
template <class T>
void ZeroUnusedSlots(T* dk, const AttentionSpans& shape) {
  const i64 slot = shape.G * shape.D, begin = shape.key_rows[0] * slot, end = shape.key_rows[shape.B] * slot;
  std::fill(dk, dk + begin, T{});
  std::fill(dk + end, dk + shape.K * slot, T{});
}

template <class Words, class T>
void Backward(Context& context, const BackwardCall<T>& call) {
  const AttentionSpans& shape = call.shape;
  QueryGradients gradients(context, shape, kRows, padded(shape.D));
  parallel_tiles(
      context, shape, kKeys, kMostTiles, [&](i64 b) { return shape.keys(b); },
      [&](i64 key_tiles) HWY_ATTR { return BackwardScratch<Words>::floats(shape.D, key_tiles); },
      [&](SequenceTile task, i64 key_tiles, i64 g, float* scratch)
          HWY_ATTR { BackwardTask<Words>(call, gradients, task, key_tiles, g, scratch); });
}

Status AttentionBackward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_rest, In lse,
                         In q, In k, In v, const AttentionSpans& shape, f32 scale) {
  return with_float(q, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    float* delta = context.scratch<float>(shape.H * shape.T);
    DotRows(delta, dy.as<T>(), y.as<T>(), y_rest.as<T>(), shape);
    const BackwardCall<T> call = {shape,     dq.as<T>(), dk.as<T>(),      dv.as<T>(), dy.as<T>(), q.as<T>(),
                                  k.as<T>(), v.as<T>(),  lse.as<float>(), delta,      scale};
    ZeroUnusedSlots(dk.as<T>(), shape);
    ZeroUnusedSlots(dv.as<T>(), shape);
    with_tiled_words<T>([&](auto words) HWY_ATTR { Backward<decltype(words)>(context, call); });
    return ok();
  });
}

}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(AttentionBackward);

Status attention_backward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_rest, In lse,
                          In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionSpans shape(q, k, key_start, key_end, query_rows, key_rows);
  if (const Status status = shape.check(); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(AttentionBackward)(context, dq, dk, dv, dy, y, y_rest, lse, q, k, v, shape,
                                                 scale);
}

}  // namespace transfusion::cpu
#endif
