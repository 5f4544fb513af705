// y[t, h] = sum_k p[t, k] v[k, g],  p[t] = softmax over key_start[t] <= k < key_end[t] of scale q[t, h] .
// k[k, g] with g = h // (H / G). Flash: tiles of keys pass by a tile of queries with a running maximum m and
// sum l, in base 2. Scores lie transposed, [keys, rows], so that softmax works on a vector of rows at a time.
// Parallel over (sequence, key head, tile of rows). Key tiles lie on one grid per sequence and every sum
// ascends in keys: a query's result has the same bits whatever other queries, sequences or unseen slots are
// beside it. Kept for the backward pass: y and lse = log sum_k exp(scale q . k); beside a bf16 y also y_rest,
// what rounding lost, without which dq would be too coarse where y . dy cancels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cc"
#include <hwy/foreach_target.h>
// clang-format off: simd.h needs foreach_target.h first
#include <hwy/contrib/math/math-inl.h>

#include <limits>
#include <utility>

#include "cpu/attention_spans.h"
#include "cpu/cpu.h"
#include "cpu/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kRows = 64, kKeys = 128;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One thread's scratch; Dp is D padded to whole vectors.
struct ForwardScratch {
  float* q;              // [D, kRows], times scale log2(e)
  float *k, *v;          // [kKeys, Dp]
  float* scores;         // [kKeys, kRows], then p
  float* y;              // [kRows, Dp]
  float *m, *l, *decay;  // [kRows]; decay is what the last maximum's sums are worth under the new one
  i32 *start, *end;      // [kRows]

  static i64 floats(i64 Dp) { return (2 * kRows + 2 * kKeys) * Dp + kKeys * kRows + 5 * kRows; }
  ForwardScratch(float* own, i64 Dp) {
    const auto take = [&](i64 count) { return std::exchange(own, own + count); };
    q = take(Dp * kRows);
    k = take(kKeys * Dp);
    v = take(kKeys * Dp);
    scores = take(kKeys * kRows);
    y = take(kRows * Dp);
    m = take(kRows);
    l = take(kRows);
    decay = take(kRows);
    start = reinterpret_cast<i32*>(take(kRows));
    end = reinterpret_cast<i32*>(take(kRows));
  }
};

// Turns the scores of one vector of rows from `row` on into p, and brings m, l and decay up to date.
// Returns whether the maximum of any row has changed.
bool SoftmaxColumns(const ForwardScratch& s, i64 row, float* scores, i64 begin, i64 end, bool masked) {
  const hn::RebindToSigned<F32> i32_tag;
  const Vec old_max = load(s.m + row);
  Vec max = old_max;
  if (masked) {
    const auto start = hn::LoadU(i32_tag, s.start + row), stop = hn::LoadU(i32_tag, s.end + row);
    for (i64 k = begin; k < end; ++k) {
      const auto key = hn::Set(i32_tag, static_cast<i32>(k));
      const auto hidden = hn::Or(hn::Lt(key, start), hn::Not(hn::Lt(key, stop)));
      float* score = scores + (k - begin) * kRows;
      const Vec seen = hn::IfThenElse(hn::RebindMask(f32_tag, hidden), set(-kInfinity), load(score));
      store(seen, score);
      max = hn::Max(max, seen);
    }
  } else {
    for (i64 k = begin; k < end; ++k) max = hn::Max(max, load(scores + (k - begin) * kRows));
  }
  // A row that has not seen any key yet keeps m = -infinity; its differences must not become NaN.
  const Vec base = hn::IfThenElse(hn::Eq(max, set(-kInfinity)), zero(), max);
  const Vec decay = Exp2(hn::Sub(old_max, base));
  Vec sum = hn::Mul(load(s.l + row), decay);
  for (i64 k = begin; k < end; ++k) {
    float* score = scores + (k - begin) * kRows;
    const Vec p = Exp2(hn::Sub(load(score), base));
    store(p, score);
    sum = hn::Add(sum, p);
  }
  store(max, s.m + row);
  store(sum, s.l + row);
  store(decay, s.decay + row);
  return !hn::AllTrue(f32_tag, hn::Eq(max, old_max));
}

// Takes the keys of one block into y, m and l; the key tile begins at key0, the tile of rows at row0.
void AddBlock(const ForwardScratch& s, const ScoreBlock& block, i64 row0, i64 key0, i64 D, i64 Dp) {
  const i64 row = block.row - row0, key = block.begin - key0, keys = block.end - block.begin;
  float* scores = s.scores + key * kRows + row;
  float* y = s.y + row * Dp;
  Product(scores, kRows, AsIs{s.k + key * Dp, Dp}, s.q + row, kRows, keys, block.rows, D, false);
  bool changed = false;
  for (i64 r = 0; r < block.rows; r += lanes())
    changed |= SoftmaxColumns(s, row + r, scores + r, block.begin, block.end, block.masked);
  if (changed)
    for (i64 r = 0; r < block.rows; ++r) {
      const Vec decay = set(s.decay[row + r]);
      for (i64 c = 0; c < Dp; c += lanes()) store(hn::Mul(load(y + r * Dp + c), decay), y + r * Dp + c);
    }
  Product(y, Dp, Transposed{scores, kRows}, s.v + key * Dp, Dp, block.rows, D, keys, true);
}

// The tile's queries: scaled, transposed, the rows beyond the last zero and seeing nothing.
template <class T>
void LoadQueries(const ForwardScratch& s, const HeadRows<const T>& q, const RowSpans& spans, i64 row0,
                 i64 rows, i64 Dp, float scale) {
  const i64 width = padded(rows);
  LoadTile(s.y, Dp, q, row0, rows, q.D, scale * kLog2e);
  ZeroTile(s.y + rows * Dp, Dp, width - rows);
  TransposeTile(s.q, kRows, s.y, Dp, width, q.D);
  ZeroTile(s.y, Dp, rows);
  for (i64 r = 0; r < width; ++r) {
    s.m[r] = -kInfinity;
    s.l[r] = 0;
    s.start[r] = r < rows ? spans.start[spans.query(row0 + r)] : 0;
    s.end[r] = r < rows ? spans.end[spans.query(row0 + r)] : 0;
  }
}

template <class T>
struct ForwardCall {
  const AttentionSpans& shape;
  T *y, *y_rest;
  float* lse;  // [H, T]
  const T *q, *k, *v;
  float scale;
};

// Divides by the sums and writes y, what is left of it, and lse.
template <class T>
void StoreResults(const ForwardCall<T>& call, const ForwardScratch& s, const RowSpans& spans, i64 query0,
                  i64 g, i64 row0, i64 row_end, i64 Dp) {
  const HeadRows<T> ys(call.y, query0, call.shape.H, g, call.shape.group, call.shape.D);
  for (i64 row = row0; row < row_end; ++row) {
    float* sums = s.y + (row - row0) * Dp;
    T* y = ys[row];
    const Vec factor = set(1.0f / s.l[row - row0]);
    for_each(call.shape.D, [&](i64 c, auto io) HWY_ATTR {
      const Vec value = hn::Mul(load(sums + c), factor);
      io.store(value, y + c);
      if (call.y_rest) io.store(hn::Sub(value, io.load(y + c)), call.y_rest + (y - call.y) + c);
    });
  }
  for (i64 r = 0; r < row_end - row0; r += lanes()) {
    const Vec log_sum = hn::Log(f32_tag, load(s.l + r));
    store(hn::MulAdd(load(s.m + r), set(kLn2), log_sum), s.m + r);
  }
  for (i64 row = row0; row < row_end; ++row) {
    const i64 h = g * call.shape.group + row % call.shape.group;
    call.lse[h * call.shape.T + query0 + spans.query(row)] = s.m[row - row0];
  }
}

template <class T>
void ForwardTile(const ForwardCall<T>& call, SequenceTile tile, i64 g, float* scratch) {
  const AttentionSpans& shape = call.shape;
  const i64 D = shape.D, Dp = padded(D), b = tile.sequence;
  const i64 query0 = shape.query_rows[b], key0 = shape.key_rows[b];
  const ForwardScratch s(scratch, Dp);
  const RowSpans spans = shape.spans(b);
  const HeadRows<const T> q(call.q, query0, shape.H, g, shape.group, D);
  const HeadRows<const T> k(call.k, key0, shape.G, g, 1, D), v(call.v, key0, shape.G, g, 1, D);

  const i64 row0 = tile.tile * kRows, row_end = std::min(shape.rows(b), row0 + kRows);
  const i64 q0 = spans.query(row0), q1 = spans.query(row_end - 1) + 1;
  LoadQueries(s, q, spans, row0, row_end - row0, Dp, call.scale);
  for (i64 grid = spans.start[q0] / kKeys * kKeys; grid < spans.end[q1 - 1]; grid += kKeys) {
    const i64 begin = std::max<i64>(grid, spans.start[q0]);
    const i64 end = std::min<i64>(grid + kKeys, spans.end[q1 - 1]);
    spans.for_each_run(
        q0, q1, begin, end,
        [&](i64 k0, i64 k1) HWY_ATTR {
          LoadTile(s.k + (k0 - grid) * Dp, Dp, k, k0, k1 - k0, D, 1.0f);
          LoadTile(s.v + (k0 - grid) * Dp, Dp, v, k0, k1 - k0, D, 1.0f);
        },
        [&](i64 k0, i64 k1) {
          ZeroTile(s.k + (k0 - grid) * Dp, Dp, k1 - k0);
          ZeroTile(s.v + (k0 - grid) * Dp, Dp, k1 - k0);
        });
    spans.for_each_block(row0, row_end, lanes(), begin, end,
                         [&](const ScoreBlock& block) HWY_ATTR { AddBlock(s, block, row0, grid, D, Dp); });
  }
  StoreResults(call, s, spans, query0, g, row0, row_end, Dp);
}

Status Attention(Context& context, Out y, OutOptional y_rest, Out lse, In q, In k, In v,
                 const AttentionSpans& shape, f32 scale) {
  return with_float(q, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ForwardCall<T> call = {shape,     y.as<T>(), y_rest.as<T>(), lse.as<float>(),
                                 q.as<T>(), k.as<T>(), v.as<T>(),      scale};
    const auto tiles = sequence_tiles(shape.B, kRows, [&](i64 b) { return shape.rows(b); });
    const i64 tasks = static_cast<i64>(tiles.size()) * shape.G;
    parallel_tasks(context, tasks, ForwardScratch::floats(padded(shape.D)),
                   [&](i64 task, float* scratch)
                       HWY_ATTR { ForwardTile(call, tiles[task / shape.G], task % shape.G, scratch); });
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
