// y[t, h] = sum_k p[t, k] v[k, g],  p[t] = softmax over key_start[t] <= k < key_end[t] of scale q[t, h] .
// k[k, g], with g = h // (H / G). As in FlashAttention, tiles of keys meet a tile of rows under a running
// maximum m and sum l, in base 2, with p rounded to bf16 and sums in f32. Tiles of keys lie on one grid per
// sequence, every sum ascends in keys, and begins anew with each chunk of them, so that a query's result has
// the same bits whatever other queries, sequences or unseen slots are beside it. Kept for the backward pass:
// y, lse, and y_lo, what rounding y to bf16 lost.
//
// A block owns 128 rows of one key head, four warps of 32 rows each, so that a fragment of k or v that a warp
// reads meets two of q or p. While q k^T is computed, v comes to shared memory; while softmax and p v are,
// the next k. Between chunks a thread keeps its joined sums in memory.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/kept_sums.cuh"
#include "attention/online_softmax.cuh"
#include "attention/row_block.cuh"
#else
#include <algorithm>
#include <cmath>
#include <limits>

#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

template <class Tile>
__device__ __forceinline__ void attend(const AttentionArguments& call, const AttentionTile& place) {
  constexpr int kWidth = Tile::kWidth, kKeys = Tile::kKeys, kCount = Tile::kRowsOfWarp / 16;
  using Block = RowBlock<kWidth, Tile::kRows, Tile::kRowsOfWarp, kKeys, Tile::kThreads>;
  using Kept = KeptSums<kCount, kWidth, Tile::kThreads>;
  __shared__ f32* volatile kept_sums;  // rather than in registers
  if (threadIdx.x == 0) kept_sums = Kept::of_block(call.chunks, blockIdx.x);
  const uint32_t shared = shared_address(dynamic_shared);
  const uint32_t q_tile = shared + Tile::kQ, k_tile = shared + Tile::kK, v_tile = shared + Tile::kV;
  const Block block(call.shape, place, call.aligned, reinterpret_cast<int2*>(dynamic_shared + Tile::kSpans));

  i32 key0 = block.begin / kKeys * kKeys;
  block.load_rows(q_tile, call.q);
  block.load_keys(k_tile, call.k, key0);
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();
  if (call.negative) {
    for (int at = threadIdx.x; at < Tile::kRows * kWidth / 2; at += Tile::kThreads)
      reinterpret_cast<uint32_t*>(dynamic_shared + Tile::kQ)[at] ^= 0x80008000;
    __syncthreads();
  }

  using Heads = HeadTile<kWidth>;
  const auto q_lane = Heads::a(q_tile, block.first_row());
  const auto k_lane = Heads::b(k_tile), v_lane = Heads::b_transposed(v_tile);
  typename Block::Sums sums = {};
  OnlineSoftmax softmax[kCount][2];
  for (bool joins = false;; joins = true) {
    i32 last;
    do {
      // All have read the values before.
      block.load_keys(v_tile, call.v, key0);
      commit_copies();
      typename Block::Scores scores;
      multiply_heads<kWidth, kCount, kKeys>(scores, q_lane, k_lane);
      wait_for_copies<0>();
      __syncthreads();
      const i32 next = block.next_tile(key0 + kKeys);
      if (next < block.end) block.load_keys(k_tile, call.k, next);
      commit_copies();
      block.for_each_hidden(key0, [&](int m, int j, int i) { scores[m][j][i] = -INFINITY; });
      add_scores(softmax, scores, sums, call.exponent);
      add_product<kWidth, kKeys, kCount>(sums, scores, v_lane);
      wait_for_copies<0>();
      __syncthreads();
      last = key0, key0 = next;
    } while (key0 < block.end && same_chunk(last, key0));
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) softmax[m][half].finish();
    const Kept kept(kept_sums);
    if (joins) kept.join_to_kept(sums, softmax, call.exponent);
    if (key0 >= block.end) break;
    kept.keep(sums, softmax);
  }

#pragma unroll
  for (int m = 0; m < kCount; ++m) {
    float factors[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      factors[half] = 1.0f / softmax[m][half].l;
      const int row = block.lane_row(m, half);
      if (threadIdx.x % 4 == 0 && row < block.count())
        call.lse[block.statistic(row)] = softmax[m][half].lse(call.exponent);
    }
    block.store_rows(q_tile, call.y, m, sums, [&](float sum, int half) { return sum * factors[half]; });
    if (call.y_lo)
      block.store_rows(q_tile, call.y_lo, m, sums,
                       [&](float sum, int half) { return lost_by_rounding(sum * factors[half]); });
  }
}

template <class Tile>
__device__ __forceinline__ void attention(const AttentionArguments& arguments) {
  const AttentionTile place = arguments.rows.tiles[blockIdx.x];
  if (place.sequence == kRejected) return reject<bf16>(arguments);
  if (place.sequence >= 0) attend<Tile>(arguments, place);
}

}  // namespace

HEAD_WIDTHS(HEAD_KERNEL, attention, AttentionArguments, Forward, attention)

#else

constexpr HeadKernel<AttentionArguments> forward_kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention", "attention", Forward, kRows)};

Status attention(Context& context, Out y, OutOptional y_lo, Out lse, In q, In k, In v, In key_start,
                 In key_end, In query_rows, In key_rows, f32 scale) {
  AttentionArguments arguments = {
      .shape = attention_shape(q, k, key_start, key_end, query_rows, key_rows),
      .rows = {},
      .fault = {},
      .chunks = nullptr,
      .y = y.data,
      .y_lo = y_lo.data,
      .lse = lse.as<f32>(),
      .q = q.data,
      .k = k.data,
      .v = v.data,
      // Never zero: a hidden score of -infinity times zero would be NaN.
      .exponent = std::max(std::abs(scale) * 1.4426950408889634f, std::numeric_limits<f32>::min()),
      .negative = scale < 0,
      .aligned = aligned({y.data, y_lo.data, q.data, k.data, v.data}) && q.dim(2) % 8 == 0};
  const AttentionShape& shape = arguments.shape;
  if (q.dtype == DType::f32 || shape.D > kMostWidth) return attention_simt(context, q.dtype, arguments);
  // Either way, results have the same bits.
  const i64 rows = shape.T * shape.group, decoded = Decode<16>::kRows * shape.B;
  if (rows <= decoded) return attention_decode(context, arguments, 1);
  if (shape.K > kChunk && shape.B * shape.G < limits(context).multiprocessors &&
      rows <= Decode<16>::kMostTiles * decoded)
    return attention_decode(context, arguments, Decode<16>::kMostTiles);
  const HeadKernel<AttentionArguments>& form = form_of(forward_kernels, shape.D);
  TileList none;
  arguments.rows = row_tiles(shape, form.tile);
  if (Status status = cut_attention(context, shape, arguments.rows, none, arguments.fault); status.failed)
    return status;
  // What KeptSums keeps of each row: sums, and m and l in four lanes.
  arguments.chunks = chunk_sums(context, shape, arguments.rows, form.tile * (form.width + 8));
  return launch(context, form, arguments.rows, arguments);
}

#endif

}  // namespace transfusion::cuda
