// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
// Parallel over (sequence, key head, tile of keys), which alone writes its dk and dv. dq's sums ascend in key
// tiles: each task waits, for each tile of rows, until the key tiles before have added theirs, so that tasks
// follow each other over the rows in a staggered line, and bits never depend on threads.
// Where the CPU multiplies bf16, s and dp are such products; p and ds stay f32: rounded, they would cost the
// gradients more than their own rounding does. Kept from the forward pass: y, y_rest, lse. dq is summed in
// f32 scratch of its own size.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention_backward.cc"
#include <hwy/foreach_target.h>
// clang-format off: tile.h needs foreach_target.h first
#include <utility>

#include "cpu/attention_query_gradients.h"
#include "cpu/attention_spans.h"
#include "cpu/cpu.h"
#include "cpu/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kRows = 64, kKeys = 64;
constexpr i64 kMostTiles = 8;  // tiles of keys that pass by a tile of rows once it is loaded
constexpr i64 kStep = 16;      // rows at a time where not every row sees every key

// One thread's scratch; Dp is D padded to whole vectors. Scores and dp are products of words, all else is
// f32.
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
  float *p, *ds;              // [kRows, kKeys]: first scores and dp
  float *lse, *delta;         // [kRows], lse in units of log 2
  Keys keys[kMostTiles];

  static i64 floats(i64 D, i64 key_tiles) {
    const i64 Dp = padded(D), row_words = padded_words<Words>(D);
    return (kKeys + 2 * kRows) * row_words + 2 * kRows * (Dp + kKeys + 1) +
           key_tiles * kKeys * (2 * row_words + 3 * Dp);
  }
  BackwardScratch(float* own, i64 D, i64 key_tiles) : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto take = [&](i64 count) { return std::exchange(own, own + count); };
    loaded = take(kKeys * row_words);
    q = take(kRows * Dp), q_words = Words::kDepth == 1 ? q : take(kRows * row_words);
    dy = take(kRows * Dp), dy_words = Words::kDepth == 1 ? dy : take(kRows * row_words);
    p = take(kRows * kKeys), ds = take(kRows * kKeys);
    lse = take(kRows), delta = take(kRows);
    for (i64 i = 0; i < key_tiles; ++i) {
      Keys& tile = keys[i];
      tile.k_transposed = take(kKeys * row_words), tile.v_transposed = take(kKeys * row_words);
      tile.k = take(kKeys * Dp), tile.dk = take(kKeys * Dp), tile.dv = take(kKeys * Dp);
    }
  }
};

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
  load_tile(Words{}, s.loaded, v);
  TransposeTile(tile.v_transposed, kKeys, s.loaded, s.row_words, kKeys, words<Words>(s.D));
  float* k_words = Words::kDepth == 1 ? tile.k : s.loaded;
  load_tile(Words{}, k_words, k);
  TransposeTile(tile.k_transposed, kKeys, k_words, s.row_words, kKeys, words<Words>(s.D));
  if (k_words != tile.k) load_tile(Floats{}, tile.k, k);
  ZeroTile(tile.dk, s.Dp, kKeys);
  ZeroTile(tile.dv, s.Dp, kKeys);
}

// Rows [r0, r1) of the tile of rows at row0.
template <class Words, class T>
void LoadRows(const BackwardScratch<Words>& s, const BackwardCall<T>& call, const HeadRows<const T>& q,
              const HeadRows<const T>& dy, const RowSpans& spans, i64 row0, i64 r0, i64 r1, i64 g,
              i64 query0) {
  const auto load_tile = [&](float* tile, float* tile_words, const HeadRows<const T>& from) HWY_ATTR {
    LoadTile<Floats>(tile + (r0 - row0) * s.Dp, s.Dp, from, r0, r1 - r0);
    if (tile_words != tile)
      LoadTile<Words>(tile_words + (r0 - row0) * s.row_words, s.row_words, from, r0, r1 - r0);
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

// Turns scores and dp of one row into p and ds, over keys [begin, end) of which it sees [start, stop); a
// score is worth `scale` in the exponent.
void DifferentiateRow(float* p, float* ds, i64 begin, i64 end, i64 start, i64 stop, bool masked, float scale,
                      float lse, float delta) {
  const hn::RebindToSigned<F32> i32_tag;
  const Vec factor = set(scale), lse_vector = set(lse), delta_vector = set(delta);
  const auto first = hn::Set(i32_tag, static_cast<i32>(start));
  const auto last = hn::Set(i32_tag, static_cast<i32>(stop));
  for (i64 key = begin; key < end; key += lanes(), p += lanes(), ds += lanes()) {
    Vec probability = Exp2(hn::MulSub(load(p), factor, lse_vector));
    Vec gradient = hn::Mul(probability, hn::Sub(load(ds), delta_vector));
    if (masked) {
      const auto keys = hn::Iota(i32_tag, static_cast<i32>(key));
      const auto hidden = hn::RebindMask(f32_tag, hn::Or(hn::Lt(keys, first), hn::Not(hn::Lt(keys, last))));
      probability = hn::IfThenZeroElse(hidden, probability);
      gradient = hn::IfThenZeroElse(hidden, gradient);
    }
    store(probability, p);
    store(gradient, ds);
  }
}

// p and ds of one block, and what they add to dv and dk. The tile of rows begins at row0, of keys at key0.
template <class Words>
void AddToKeys(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
               const ScoreBlock& block, const RowSpans& spans, i64 row0, i64 key0, float scale) {
  // Whole vectors of keys: those before the block's first, if any, are computed and masked in vain.
  const i64 row = block.row - row0, aligned = (block.begin - key0) / lanes() * lanes();
  const i64 key = block.begin - key0, keys = block.end - block.begin, width = block.end - key0 - aligned;
  const i64 depth = words<Words>(s.D);
  float *p = s.p + row * kKeys + aligned, *ds = s.ds + row * kKeys + aligned;
  const AsIs q{s.q_words + row * s.row_words, s.row_words}, dy{s.dy_words + row * s.row_words, s.row_words};
  Product<Words>(p, kKeys, q, tile.k_transposed + aligned, kKeys, block.rows, width, depth, false);
  Product<Words>(ds, kKeys, dy, tile.v_transposed + aligned, kKeys, block.rows, width, depth, false);
  for (i64 r = 0; r < block.rows; ++r) {
    const i64 query = spans.query(block.row + r);
    DifferentiateRow(p + r * kKeys, ds + r * kKeys, key0 + aligned, block.end, spans.start[query],
                     spans.end[query], block.masked, scale, s.lse[row + r], s.delta[row + r]);
  }
  Product<Floats>(tile.dv + key * s.Dp, s.Dp, Transposed{s.p + row * kKeys + key, kKeys}, s.dy + row * s.Dp,
                  s.Dp, keys, s.D, block.rows, true);
  Product<Floats>(tile.dk + key * s.Dp, s.Dp, Transposed{s.ds + row * kKeys + key, kKeys}, s.q + row * s.Dp,
                  s.Dp, keys, s.D, block.rows, true);
}

template <class Words>
void AddToQueries(const BackwardScratch<Words>& s, const typename BackwardScratch<Words>::Keys& tile,
                  const ScoreBlock& block, float* dq, i64 row0, i64 key0) {
  const i64 row = block.row - row0, key = block.begin - key0;
  Product<Floats>(dq + row * s.Dp, s.Dp, AsIs{s.ds + row * kKeys + key, kKeys}, tile.k + key * s.Dp, s.Dp,
                  block.rows, s.D, block.end - block.begin, true);
}

// `key_tiles` tiles of keys, or what is left of them, from task.tile * key_tiles on, of one sequence and key
// head, against every tile of rows that may see them.
template <class Words, class T>
void BackwardTask(const BackwardCall<T>& call, QueryGradients& gradients, SequenceTile task, i64 key_tiles,
                  i64 g, float* scratch) {
  const AttentionSpans& shape = call.shape;
  const i64 D = shape.D, b = task.sequence, rows = shape.rows(b), T0 = shape.query_rows[b];
  const BackwardScratch<Words> s(scratch, D, key_tiles);
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
    const i64 r0 = std::max(row0, first), r1 = std::min(row_end, last);
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
        spans.for_each_block(r0, r1, kStep, key0, key_end, body);
      };
      for_each_block([&](const ScoreBlock& block)
                         HWY_ATTR { AddToKeys(s, tile, block, spans, row0, key0, call.scale * kLog2e); });
      for_each_block([&](const ScoreBlock& block)
                         HWY_ATTR { AddToQueries(s, tile, block, sums, row0, key0); });
    });
    if (task.tile + 1 == turns.end)
      for (i64 row = row0; row < row_end; ++row) StoreRow(dq, row, sums + (row - row0) * s.Dp, D, call.scale);
    gradients.end_turn(index);
  }
  for_each_tile(begin, end, [&](const auto& tile, i64 key0, i64 key_end) HWY_ATTR {
    for (i64 key = key0; key < key_end; ++key) {
      StoreRow(dk, key, tile.dk + (key - key0) * s.Dp, D, call.scale);
      StoreRow(dv, key, tile.dv + (key - key0) * s.Dp, D, 1.0f);
    }
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
    with_words<T>([&](auto words) HWY_ATTR { Backward<decltype(words)>(context, call); });
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
