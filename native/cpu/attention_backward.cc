// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
// Parallel over (sequence, key head, tile of keys), which alone writes its dk and dv. dq's sums ascend in key
// tiles: each task waits, for each tile of rows, until the key tiles before have added theirs, so that tasks
// follow each other over the rows in a staggered line, and bits never depend on threads.
// Kept from the forward pass: y, y_rest, lse. dq is summed in f32 scratch of its own size.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention_backward.cc"
#include <hwy/foreach_target.h>
// clang-format off: tile.h needs foreach_target.h first
#include <utility>

#include "cpu/attention_spans.h"
#include "cpu/cpu.h"
#include "cpu/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kRows = 64, kKeys = 128;
constexpr i64 kStep = 16;  // rows at a time where not every row sees every key

// One thread's scratch; Dp is D padded to whole vectors. Scores and dp are products of words, all else is
// f32.
template <class Words>
struct BackwardScratch {
  i64 D, Dp, row_words;
  float *k_transposed, *v_transposed;  // [words of D, kKeys]
  float* k;                            // [kKeys, Dp]
  float* loaded;                       // [kKeys, row_words]: k or v in words
  float *dk, *dv;                      // [kKeys, Dp]
  float *q_words, *dy_words;           // [kRows, row_words]
  float *q, *dy;                       // [kRows, Dp]
  float *p, *ds;                       // [kRows, kKeys]: first scores and dp
  float *lse, *delta;                  // [kRows], lse in units of log 2

  static i64 floats(i64 D) {
    return (3 * kKeys + 2 * kRows) * padded_words<Words>(D) + (3 * kKeys + 2 * kRows) * padded(D) +
           2 * kRows * kKeys + 2 * kRows;
  }
  BackwardScratch(float* own, i64 D) : D(D), Dp(padded(D)), row_words(padded_words<Words>(D)) {
    const auto take = [&](i64 count) { return std::exchange(own, own + count); };
    const auto take_words = [&](i64 rows, float* same) {
      return Words::kDepth == 1 ? same : take(rows * row_words);
    };
    k_transposed = take(kKeys * row_words), v_transposed = take(kKeys * row_words);
    k = take(kKeys * Dp), loaded = take_words(kKeys, k);
    dk = take(kKeys * Dp), dv = take(kKeys * Dp);
    q = take(kRows * Dp), q_words = take_words(kRows, q);
    dy = take(kRows * Dp), dy_words = take_words(kRows, dy);
    p = take(kRows * kKeys), ds = take(kRows * kKeys);
    lse = take(kRows), delta = take(kRows);
  }
};

// dq's sums, [tiles of rows][kRows, Dp], and how many key tiles have been added to each.
struct QueryGradients {
  float* sums;
  std::vector<std::atomic<i32>> added;
  std::vector<i64> first_tile;  // of each sequence, for one key head
  i64 G;

  QueryGradients(Context& context, const AttentionSpans& shape, i64 Dp) : G(shape.G) {
    i64 tiles = 0;
    for (i64 b = 0; b < shape.B; ++b)
      first_tile.push_back(std::exchange(tiles, tiles + ceil_div(shape.rows(b), kRows)));
    added = std::vector<std::atomic<i32>>(tiles * G);
    sums = context.scratch<float>(tiles * G * kRows * Dp);
  }
  i64 index(i64 sequence, i64 g, i64 tile) const { return (first_tile[sequence] + tile) * G + g; }
  void await_turn(i64 index, i64 turn) {
    for (i32 now; (now = added[index].load(std::memory_order_acquire)) != turn;) added[index].wait(now);
  }
  void end_turn(i64 index) {
    added[index].fetch_add(1, std::memory_order_release);
    added[index].notify_all();
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
void LoadKeys(const BackwardScratch<Words>& s, const RowSpans& spans, QueryRange queries,
              const HeadRows<const T>& k, const HeadRows<const T>& v, i64 key0, i64 key_end) {
  const auto load_tile = [&]<class As>(As, float* tile, const HeadRows<const T>& from) HWY_ATTR {
    const i64 stride = padded_words<As>(s.D);
    const auto at = [&](i64 key) { return tile + (key - key0) * stride; };
    spans.for_each_run(
        queries.begin, queries.end, key0, key_end,
        [&](i64 k0, i64 k1) HWY_ATTR { LoadTile<As>(at(k0), stride, from, k0, k1 - k0); },
        [&](i64 k0, i64 k1) { ZeroTile(at(k0), stride, k1 - k0); });
    ZeroTile(at(key_end), stride, key0 + kKeys - key_end);
  };
  load_tile(Words{}, s.loaded, v);
  TransposeTile(s.v_transposed, kKeys, s.loaded, s.row_words, kKeys, words<Words>(s.D));
  load_tile(Words{}, s.loaded, k);
  TransposeTile(s.k_transposed, kKeys, s.loaded, s.row_words, kKeys, words<Words>(s.D));
  if (s.loaded != s.k) load_tile(Floats{}, s.k, k);
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
void AddToKeys(const BackwardScratch<Words>& s, const ScoreBlock& block, const RowSpans& spans, i64 row0,
               i64 key0, float scale) {
  // Whole vectors of keys: those before the block's first, if any, are computed and masked in vain.
  const i64 row = block.row - row0, aligned = (block.begin - key0) / lanes() * lanes();
  const i64 key = block.begin - key0, keys = block.end - block.begin, width = block.end - key0 - aligned;
  const i64 depth = words<Words>(s.D);
  float *p = s.p + row * kKeys + aligned, *ds = s.ds + row * kKeys + aligned;
  const AsIs q{s.q_words + row * s.row_words, s.row_words}, dy{s.dy_words + row * s.row_words, s.row_words};
  Product<Words>(p, kKeys, q, s.k_transposed + aligned, kKeys, block.rows, width, depth, false);
  Product<Words>(ds, kKeys, dy, s.v_transposed + aligned, kKeys, block.rows, width, depth, false);
  for (i64 r = 0; r < block.rows; ++r) {
    const i64 query = spans.query(block.row + r);
    DifferentiateRow(p + r * kKeys, ds + r * kKeys, key0 + aligned, block.end, spans.start[query],
                     spans.end[query], block.masked, scale, s.lse[row + r], s.delta[row + r]);
  }
  Product<Floats>(s.dv + key * s.Dp, s.Dp, Transposed{s.p + row * kKeys + key, kKeys}, s.dy + row * s.Dp,
                  s.Dp, keys, s.D, block.rows, true);
  Product<Floats>(s.dk + key * s.Dp, s.Dp, Transposed{s.ds + row * kKeys + key, kKeys}, s.q + row * s.Dp,
                  s.Dp, keys, s.D, block.rows, true);
}

template <class Words>
void AddToQueries(const BackwardScratch<Words>& s, const ScoreBlock& block, float* dq, i64 row0, i64 key0) {
  const i64 row = block.row - row0, key = block.begin - key0;
  Product<Floats>(dq + row * s.Dp, s.Dp, AsIs{s.ds + row * kKeys + key, kKeys}, s.k + key * s.Dp, s.Dp,
                  block.rows, s.D, block.end - block.begin, true);
}

// Key tile `tile` of one sequence and key head against every tile of rows that may see it.
template <class Words, class T>
void BackwardTile(const BackwardCall<T>& call, QueryGradients& gradients, SequenceTile tile, i64 g,
                  float* scratch) {
  const AttentionSpans& shape = call.shape;
  const i64 D = shape.D, b = tile.sequence, rows = shape.rows(b), T0 = shape.query_rows[b];
  const BackwardScratch<Words> s(scratch, D);
  const RowSpans spans = shape.spans(b);
  const auto query_head = [&](auto* data) { return HeadRows(data, T0, shape.H, g, shape.group, D); };
  const auto key_head = [&](auto* data) { return HeadRows(data, shape.key_rows[b], shape.G, g, 1, D); };
  const auto q = query_head(call.q), dy = query_head(call.dy);
  const auto dq = query_head(call.dq);
  const auto dk = key_head(call.dk), dv = key_head(call.dv);

  const i64 key0 = tile.tile * kKeys, key_end = std::min(shape.keys(b), key0 + kKeys);
  const QueryRange queries = queries_of_keys(spans.start, spans.end, shape.queries(b), key0, key_end);
  LoadKeys(s, spans, queries, key_head(call.k), key_head(call.v), key0, key_end);
  ZeroTile(s.dk, s.Dp, kKeys);
  ZeroTile(s.dv, s.Dp, kKeys);
  const i64 first = queries.begin * shape.group;
  // Keys behind all that any query sees have no tile of rows to wait for.
  const i64 last = first < rows ? queries.end * shape.group : first / kRows * kRows;
  for (i64 row0 = first / kRows * kRows; row0 < last; row0 += kRows) {
    const i64 row_end = std::min(rows, row0 + kRows);
    const i64 r0 = std::max(row0, first), r1 = std::min(row_end, last);
    const auto for_each_block = [&](const auto& body) {
      if (r0 < r1) spans.for_each_block(r0, r1, kStep, key0, key_end, body);
    };
    if (r0 < r1) LoadRows(s, call, q, dy, spans, row0, r0, r1, g, T0);
    for_each_block([&](const ScoreBlock& block)
                       HWY_ATTR { AddToKeys(s, block, spans, row0, key0, call.scale * kLog2e); });

    const i64 index = gradients.index(b, g, row0 / kRows);
    float* sums = gradients.sums + index * kRows * s.Dp;
    const QueryRange tiles = {spans.start[spans.query(row0)] / kKeys,
                              ceil_div(spans.end[spans.query(row_end - 1)], kKeys)};
    gradients.await_turn(index, tile.tile - tiles.begin);
    if (tile.tile == tiles.begin) ZeroTile(sums, s.Dp, kRows);
    for_each_block([&](const ScoreBlock& block) HWY_ATTR { AddToQueries(s, block, sums, row0, key0); });
    if (tile.tile + 1 == tiles.end)
      for (i64 row = row0; row < row_end; ++row) StoreRow(dq, row, sums + (row - row0) * s.Dp, D, call.scale);
    gradients.end_turn(index);
  }
  for (i64 key = key0; key < key_end; ++key) {
    StoreRow(dk, key, s.dk + (key - key0) * s.Dp, D, call.scale);
    StoreRow(dv, key, s.dv + (key - key0) * s.Dp, D, 1.0f);
  }
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
  QueryGradients gradients(context, shape, padded(shape.D));
  const auto tiles = sequence_tiles(shape.B, kKeys, [&](i64 b) { return shape.keys(b); });
  const i64 tasks = static_cast<i64>(tiles.size()) * shape.G;
  parallel_tasks(context, tasks, BackwardScratch<Words>::floats(shape.D),
                 [&](i64 task, float* scratch) HWY_ATTR {
                   BackwardTile<Words>(call, gradients, tiles[task / shape.G], task % shape.G, scratch);
                 });
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
