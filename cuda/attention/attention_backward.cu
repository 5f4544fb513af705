// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
//
// Scores are computed twice: blocks that own keys meet all rows that may see them, for dk and dv; then blocks
// that own rows meet their keys, for dq. So no sum depends on the order of blocks, at the cost of two
// products of seven. In either, what a warp owns are the rows of its products, so that p and ds, as they
// leave one product, are the left operand of the next without going through memory.
//
// p and ds are each split into a high and a low bf16: rounded to one, they would cost the gradients more than
// their own rounding does.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/row_block.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kDotThreads = 256, kDotLanes = 16;  // of a block, and of a row

struct DotRowsArguments {
  f32* delta;  // [H, T]
  const void *dy, *y, *y_lo;
  i64 T;
  i32 H, D;
};

#ifdef __CUDACC__

namespace {

// delta[h, t] = dy[t, h] . (y + y_lo)[t, h]
template <class T>
__device__ void dot_rows(const DotRowsArguments& arguments) {
  constexpr int kRows = kDotThreads / kDotLanes;
  const int lane = threadIdx.x % kDotLanes;
  const i64 row = static_cast<i64>(blockIdx.x) * kRows + threadIdx.x / kDotLanes;
  float sum = 0;
  if (row < arguments.T * arguments.H) {
    const i64 first = row * arguments.D;
    const T* dy = static_cast<const T*>(arguments.dy) + first;
    const T* y = static_cast<const T*>(arguments.y) + first;
    const T* y_lo = static_cast<const T*>(arguments.y_lo) + first;
#pragma unroll 4
    for (int c = lane; c < arguments.D; c += kDotLanes) {
      sum += to_float(dy[c]) * to_float(y[c]);
      if (arguments.y_lo) sum += to_float(dy[c]) * to_float(y_lo[c]);
    }
  }
  for (int distance = kDotLanes / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
  if (lane == 0 && row < arguments.T * arguments.H)
    arguments.delta[row % arguments.H * arguments.T + row / arguments.H] = sum;
}

// What both passes compute of a pair: scores become p, dp becomes ds. `lse` is in units of log 2.
__device__ __forceinline__ void differentiate(float& p, float& ds, float exponent, float lse, float delta) {
  p = fast_exp2(fmaf(p, exponent, -lse));
  ds = p * (ds - delta);
}

// The rows of one key head that meet a tile of keys, tile by tile.
template <class Tile>
struct RowStages {
  const AttentionBackwardArguments& call;
  const AttentionSequence& sequence;
  i32 end;  // of the rows

  struct Statistics {
    float lse = 0, delta = 0;
    int2 span = {0, 0};
  };

  __device__ __forceinline__ RowTile tile(i32 first) const {
    return {call.shape, sequence, first, min(Tile::kRows, end - first)};
  }

  __device__ __forceinline__ void load(uint32_t stage, i32 first) const {
    if (first >= end) return;
    const RowTile rows = tile(first);
    const auto load_tile = [&](uint32_t target, const void* tensor) {
      const auto row_at = [&](int row) -> const bf16* {
        if (row >= rows.count) return nullptr;
        return static_cast<const bf16*>(tensor) + rows.place(sequence, blockIdx.y, row).elements;
      };
      if (call.aligned)
        copy_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(target, call.shape.D, row_at);
      else
        load_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(target, call.shape.D, row_at);
    };
    load_tile(stage + Tile::kQ, call.q);
    load_tile(stage + Tile::kDy, call.dy);
  }

  // Of the row of this thread; zeros, and an empty interval, where there is none.
  __device__ __forceinline__ Statistics read(i32 first) const {
    Statistics statistics;
    const i32 row = static_cast<i32>(threadIdx.x);
    if (row >= min(Tile::kRows, end - first)) return statistics;
    const RowTile rows = tile(first);
    const i64 at = rows.place(sequence, blockIdx.y, row).statistic;
    const i32 query = rows.query(row);
    return {call.lse[at] * kLog2e, call.delta[at], {sequence.key_start[query], sequence.key_end[query]}};
  }

  __device__ __forceinline__ static void write(char* stage, const Statistics& statistics) {
    const int row = static_cast<int>(threadIdx.x);
    if (row >= Tile::kRows) return;
    reinterpret_cast<float*>(stage + Tile::kLse)[row] = statistics.lse;
    reinterpret_cast<float*>(stage + Tile::kDelta)[row] = statistics.delta;
    reinterpret_cast<int2*>(stage + Tile::kSpans)[row] = statistics.span;
  }
};

template <class Tile>
__device__ __forceinline__ void gradients_of_keys(const AttentionBackwardArguments& call,
                                                  const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kCount = Tile::kKeysOfWarp / 16;
  using Heads = HeadTile<kWidth>;
  const AttentionShape& shape = call.shape;
  const AttentionSequence sequence(shape, at.sequence);
  const i32 key0 = at.first, keys = min(Tile::kKeys, sequence.keys - key0), D = shape.D;
  const i64 stride = static_cast<i64>(shape.G) * D;
  const i64 first_key = (sequence.key0 + key0) * stride + static_cast<i64>(blockIdx.y) * D;
  const QueryRange queries =
      queries_of_keys(sequence.key_start, sequence.key_end, sequence.queries, key0, key0 + keys);
  i32 row0 = static_cast<i32>(queries.begin) * shape.group;
  const RowStages<Tile> rows{call, sequence, static_cast<i32>(queries.end) * shape.group};

  const uint32_t shared = shared_address(dynamic_shared);
  const uint32_t k_tile = shared + Tile::kK, v_tile = shared + Tile::kV;
  // Slots that no query sees may hold anything: their scores are left out.
  const auto load_keys = [&](uint32_t tile, const void* tensor) {
    const bf16* first = static_cast<const bf16*>(tensor) + first_key;
    if (call.aligned)
      copy_head_rows<kWidth, Tile::kKeys, Tile::kThreads>(tile, D, first, stride, 0, keys);
    else
      load_head_rows<kWidth, Tile::kKeys, Tile::kThreads>(
          tile, D, [&](int key) { return key < keys ? first + key * stride : nullptr; });
  };
  if (row0 < rows.end) {
    load_keys(k_tile, call.k);
    load_keys(v_tile, call.v);
    rows.load(shared + Tile::kStage, row0);
    rows.write(dynamic_shared + Tile::kStage, rows.read(row0));
  }
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();

  const int lane = threadIdx.x % 32, own_key = static_cast<int>(threadIdx.x) / 32 * Tile::kKeysOfWarp;
  const uint32_t k_lane = Heads::a(k_tile, own_key), v_lane = Heads::a(v_tile, own_key);
  WarpSums16<kCount, kWidth> dk = {}, dv = {};
  int stage = Tile::kStage, other = Tile::kStage + Tile::kStageBytes;
  for (; row0 < rows.end; row0 += Tile::kRows) {
    rows.load(shared + other, row0 + Tile::kRows);
    commit_copies();
    const auto statistics = rows.read(row0 + Tile::kRows);

    WarpSums16<kCount, Tile::kRows> p, ds;
    const uint32_t q_tile = shared + stage + Tile::kQ, dy_tile = shared + stage + Tile::kDy;
    multiply_heads<kWidth, kCount, Tile::kRows>(p, k_lane, Heads::b(q_tile));
    multiply_heads<kWidth, kCount, Tile::kRows>(ds, v_lane, Heads::b(dy_tile));
    const float2* lse = reinterpret_cast<const float2*>(dynamic_shared + stage + Tile::kLse);
    const float2* delta = reinterpret_cast<const float2*>(dynamic_shared + stage + Tile::kDelta);
    const int2* spans = reinterpret_cast<const int2*>(dynamic_shared + stage + Tile::kSpans);
    const int last = min(Tile::kRows, rows.end - row0) - 1;
    const bool masked = key0 < spans[last].x || key0 + keys > spans[0].y;
#pragma unroll
    for (int j = 0; j < Tile::kRows / 8; ++j) {
      const float2 lses = lse[j * 4 + lane % 4], deltas = delta[j * 4 + lane % 4];
#pragma unroll
      for (int m = 0; m < kCount; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          differentiate(p[m][j][2 * half], ds[m][j][2 * half], call.exponent, lses.x, deltas.x);
          differentiate(p[m][j][2 * half + 1], ds[m][j][2 * half + 1], call.exponent, lses.y, deltas.y);
        }
    }
    if (masked) {
#pragma unroll
      for (int j = 0; j < Tile::kRows / 8; ++j)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int2 span = spans[j * 8 + lane % 4 * 2 + i];
#pragma unroll
          for (int m = 0; m < kCount; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
              const i32 key = key0 + own_key + 16 * m + 8 * half + lane / 4;
              if (key < span.x || key >= span.y) p[m][j][2 * half + i] = ds[m][j][2 * half + i] = 0;
            }
        }
    }
    add_product<kWidth, Tile::kRows, true, kCount>(dv, p, Heads::b_transposed(dy_tile));
    add_product<kWidth, Tile::kRows, true, kCount>(dk, ds, Heads::b_transposed(q_tile));

    rows.write(dynamic_shared + other, statistics);
    wait_for_copies<0>();
    __syncthreads();
    const int next = other;
    other = stage, stage = next;
  }

  // By way of those rows of k and v that no other warp has read.
  const auto store = [&](uint32_t tile, void* tensor, const float(&sums)[kWidth / 8][4], int m,
                         float factor) {
    bf16* first = static_cast<bf16*>(tensor) + first_key;
    write_head_rows<kWidth>(tile, own_key + 16 * m, sums, [&](float sum, int) { return sum * factor; });
    __syncwarp();
    store_head_rows<kWidth>(tile, own_key + 16 * m, D, call.aligned,
                            [&](int key) { return key < keys ? first + key * stride : nullptr; });
  };
  __syncwarp();
#pragma unroll
  for (int m = 0; m < kCount; ++m) {
    store(k_tile, call.dk, dk[m], m, call.scale);
    store(v_tile, call.dv, dv[m], m, 1);
  }
}

template <class Tile>
__device__ __forceinline__ void gradients_of_queries(const AttentionBackwardArguments& call,
                                                     const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kKeys = Tile::kKeys, kCount = Tile::kRowsOfWarp / 16;
  using Heads = HeadTile<kWidth>;
  using Block = RowBlock<kWidth, Tile::kRows, Tile::kRowsOfWarp, kKeys, Tile::kThreads>;
  const uint32_t shared = shared_address(dynamic_shared);
  const uint32_t q_tile = shared + Tile::kQ, dy_tile = shared + Tile::kDy, v_tile = shared + Tile::kV;
  const Block block(call.shape, at, call.aligned, reinterpret_cast<int2*>(dynamic_shared + Tile::kSpans));

  i32 key0 = block.begin / kKeys * kKeys;
  uint32_t k_tile = shared + Tile::kK, next_k_tile = k_tile + Tile::kStageBytes;
  block.load_rows(q_tile, call.q);
  block.load_rows(dy_tile, call.dy);
  block.load_keys(k_tile, call.k, key0);
  block.load_keys(v_tile, call.v, key0);
  commit_copies();
  float lse[kCount][2], delta[kCount][2];
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = block.lane_row(m, half);
      const bool present = row < block.count;
      lse[m][half] = present ? call.lse[block.statistic(row)] * kLog2e : 0;
      delta[m][half] = present ? call.delta[block.statistic(row)] : 0;
    }
  wait_for_copies<0>();
  __syncthreads();

  const uint32_t q_lane = Heads::a(q_tile, block.first_row()), dy_lane = Heads::a(dy_tile, block.first_row());
  const uint32_t v_lane = Heads::b(v_tile);
  typename Block::Sums dq = {};
  while (key0 < block.end) {
    const i32 next = block.next_tile(key0 + kKeys);
    if (next < block.end) block.load_keys(next_k_tile, call.k, next);
    commit_copies();
    typename Block::Scores p, ds;
    multiply_heads<kWidth, kCount, kKeys>(p, q_lane, Heads::b(k_tile));
    multiply_heads<kWidth, kCount, kKeys>(ds, dy_lane, v_lane);
    __syncthreads();
    if (next < block.end) block.load_keys(v_tile, call.v, next);
    commit_copies();
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          differentiate(p[m][j][i], ds[m][j][i], call.exponent, lse[m][i / 2], delta[m][i / 2]);
    block.for_each_hidden(key0, [&](int m, int j, int i) { ds[m][j][i] = 0; });
    add_product<kWidth, kKeys, true, kCount>(dq, ds, Heads::b_transposed(k_tile));
    wait_for_copies<0>();
    __syncthreads();
    const uint32_t read = k_tile;
    k_tile = next_k_tile, next_k_tile = read;
    key0 = next;
  }
#pragma unroll
  for (int m = 0; m < kCount; ++m)
    block.store_rows(q_tile, call.dq, m, dq, [&](float sum, int) { return sum * call.scale; });
}

template <class Tile>
__device__ __forceinline__ void key_gradients(const AttentionBackwardArguments& arguments) {
  const AttentionTile at = arguments.keys.tiles[blockIdx.x];
  if (at.sequence >= 0) return gradients_of_keys<Tile>(arguments, at);
  if (at.sequence == kRejected) write_nan_to_keys<bf16>(arguments);
}

template <class Tile>
__device__ __forceinline__ void query_gradients(const AttentionBackwardArguments& arguments) {
  const AttentionTile at = arguments.rows.tiles[blockIdx.x];
  if (at.sequence >= 0) return gradients_of_queries<Tile>(arguments, at);
  if (at.sequence == kRejected) write_nan_to_queries<bf16>(arguments);
}

}  // namespace

#define GRADIENT_KERNELS(width)                                                                 \
  KERNEL(attention_dkv_##width, AttentionBackwardArguments, KeyGradient##width::kThreads, 1) {  \
    key_gradients<KeyGradient##width>(arguments);                                               \
  }                                                                                             \
  KERNEL(attention_dq_##width, AttentionBackwardArguments, QueryGradient##width::kThreads, 1) { \
    query_gradients<QueryGradient##width>(arguments);                                           \
  }
GRADIENT_KERNELS(16)
GRADIENT_KERNELS(32)
GRADIENT_KERNELS(64)
GRADIENT_KERNELS(96)
GRADIENT_KERNELS(128)

KERNEL(attention_dot_rows_f32, DotRowsArguments, kDotThreads) { dot_rows<f32>(arguments); }
KERNEL(attention_dot_rows_bf16, DotRowsArguments, kDotThreads) { dot_rows<bf16>(arguments); }

#else

FLOAT_KERNELS(dot_rows_kernel, DotRowsArguments, "attention_backward", "attention_dot_rows", kDotThreads)

namespace {

template <class KeyTile, class QueryTile>
Status launch_backward(Context& context, const Kernel<AttentionBackwardArguments>& dkv_kernel,
                       const Kernel<AttentionBackwardArguments>& dq_kernel,
                       AttentionBackwardArguments arguments) {
  const AttentionShape& shape = arguments.shape;
  arguments.rows = row_tiles(context, shape, QueryTile::kRows);
  arguments.keys = key_tiles(context, shape, KeyTile::kKeys);
  if (Status status = cut_attention(context, shape, arguments.rows, arguments.keys); status.failed)
    return status;
  if (Status status =
          launch(context, dkv_kernel, {arguments.keys.capacity, shape.G}, arguments, KeyTile::kSharedBytes);
      status.failed)
    return status;
  return launch(context, dq_kernel, {arguments.rows.capacity, shape.G}, arguments, QueryTile::kSharedBytes);
}

#define GRADIENT_LAUNCH(width)                                                                            \
  constexpr Kernel<AttentionBackwardArguments> dkv_##width("attention_backward", "attention_dkv_" #width, \
                                                           KeyGradient##width::kThreads);                 \
  constexpr Kernel<AttentionBackwardArguments> dq_##width("attention_backward", "attention_dq_" #width,   \
                                                          QueryGradient##width::kThreads);                \
  Status launch_backward_##width(Context& context, const AttentionBackwardArguments& arguments) {         \
    return launch_backward<KeyGradient##width, QueryGradient##width>(context, dkv_##width, dq_##width,    \
                                                                     arguments);                          \
  }
GRADIENT_LAUNCH(16)
GRADIENT_LAUNCH(32)
GRADIENT_LAUNCH(64)
GRADIENT_LAUNCH(96)
GRADIENT_LAUNCH(128)

}  // namespace

Status attention_backward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_lo, In lse,
                          In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionShape shape = attention_shape(q, k, key_start, key_end, query_rows, key_rows);
  f32* delta = context.scratch<f32>(shape.T * shape.H);
  if (Status status =
          launch(context, dot_rows_kernel(q.dtype), {ceil_div(shape.T * shape.H, kDotThreads / kDotLanes)},
                 {delta, dy.data, y.data, y_lo.data, shape.T, shape.H, shape.D});
      status.failed)
    return status;
  const AttentionBackwardArguments arguments = {
      .shape = shape,
      .rows = {},
      .keys = {},
      .dq = dq.data,
      .dk = dk.data,
      .dv = dv.data,
      .dy = dy.data,
      .q = q.data,
      .k = k.data,
      .v = v.data,
      .lse = lse.as<f32>(),
      .delta = delta,
      .scale = scale,
      .exponent = scale * 1.4426950408889634f,
      .aligned = aligned({dq.data, dk.data, dv.data, dy.data, q.data, k.data, v.data}) && shape.D % 8 == 0};
  if (q.dtype == DType::f32 || shape.D > 128) return attention_backward_simt(context, q.dtype, arguments);
  if (shape.D <= 16) return launch_backward_16(context, arguments);
  if (shape.D <= 32) return launch_backward_32(context, arguments);
  if (shape.D <= 64) return launch_backward_64(context, arguments);
  if (shape.D <= 96) return launch_backward_96(context, arguments);
  return launch_backward_128(context, arguments);
}

#endif

}  // namespace transfusion::cuda
