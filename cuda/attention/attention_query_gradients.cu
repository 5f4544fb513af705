// dq of attention_backward.cu: a block owns a tile of rows of one key head, and meets the keys that they see.
// While a tile of keys is computed, the next one comes.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/differentiate.cuh"
#include "attention/row_block.cuh"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

template <class Tile>
__device__ __forceinline__ void gradients_of_queries(const AttentionBackwardArguments& call,
                                                     const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kKeys = Tile::kKeys, kCount = Tile::kRowsOfWarp / 16;
  using Heads = HeadTile<kWidth>;
  using Block = RowBlock<kWidth, Tile::kRows, Tile::kRowsOfWarp, kKeys, Tile::kThreads, false>;
  const uint32_t shared = shared_address(dynamic_shared);
  const uint32_t q_tile = shared + Tile::kQ, dy_tile = shared + Tile::kDy;
  const uint32_t k_tile = shared + Tile::kK, v_tile = shared + Tile::kV;
  const Block block(call.shape, at, call.aligned, nullptr);

  i32 key0 = block.begin / kKeys * kKeys;
  block.load_rows(q_tile, call.q);
  block.load_rows(dy_tile, call.dy);
  block.load_keys(v_tile, call.v, key0);
  commit_copies();
  f32* const delta = reinterpret_cast<f32*>(dynamic_shared + Tile::kDelta);
  for (int row = threadIdx.x; row < Tile::kRows; row += Tile::kThreads)
    delta[row] = row < block.count() ? call.delta[block.statistic(row)] : 0;
  float lse[kCount][2];
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = block.lane_row(m, half);
      // Rows that there are not have p = 0.
      lse[m][half] = row < block.count() ? call.lse[block.statistic(row)] * kLog2e : INFINITY;
    }
  wait_for_copies<0>();
  __syncthreads();

  const auto q_lane = Heads::a(q_tile, block.first_row()), dy_lane = Heads::a(dy_tile, block.first_row());
  const auto k_lane = Heads::b(k_tile), v_lane = Heads::b(v_tile), k_columns = Heads::b_transposed(k_tile);
  typename Block::Sums dq = {};
  while (key0 < block.end) {
    // All have read the keys before.
    block.load_keys(k_tile, call.k, key0);
    commit_copies();
    typename Block::Scores p, ds;
    multiply_heads<kWidth, kCount, kKeys>(ds, dy_lane, v_lane);
    wait_for_copies<0>();
    __syncthreads();
    const i32 next = block.next_tile(key0 + kKeys);
    if (next < block.end) block.load_keys(v_tile, call.v, next);
    commit_copies();
    multiply_heads<kWidth, kCount, kKeys>(p, q_lane, k_lane);
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float delta_of_row = delta[block.lane_row(m, half)];
#pragma unroll
        for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i)
            differentiate(p[m][j][i], ds[m][j][i], call.exponent, lse[m][half], delta_of_row);
      }
    block.for_each_hidden(key0, [&](int m, int j, int i) { p[m][j][i] = ds[m][j][i] = 0; });
    const bool lost = __any_sync(~0u, has_large(p));
    add_product<kWidth, kKeys, kCount>(dq, ds, k_columns);
    if (lost) {
      keep_lost_by_rounding(ds);
      add_product<kWidth, kKeys, kCount>(dq, ds, k_columns);
    }
    wait_for_copies<0>();
    __syncthreads();
    key0 = next;
  }
#pragma unroll
  for (int m = 0; m < kCount; ++m)
    block.store_rows(q_tile, call.dq, m, dq, [&](float sum, int) { return sum * call.scale; });
}

template <class Tile>
__device__ __forceinline__ void query_gradients(const AttentionBackwardArguments& arguments) {
  const AttentionTile at = arguments.rows.tiles[blockIdx.x];
  if (at.sequence >= 0) return gradients_of_queries<Tile>(arguments, at);
  if (at.sequence == kRejected) reject_queries<bf16>(arguments);
}

}  // namespace

HEAD_WIDTHS(HEAD_KERNEL, attention_dq, AttentionBackwardArguments, QueryGradient, query_gradients)

#else

constexpr HeadKernel<AttentionBackwardArguments> kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention_query_gradients", "attention_dq", QueryGradient, kRows)};

i32 query_gradient_tile(i32 D) { return form_of(kernels, D).tile; }

Status attention_query_gradients(Context& context, const AttentionBackwardArguments& arguments) {
  return launch(context, form_of(kernels, arguments.shape.D), arguments.rows, arguments);
}

#endif

}  // namespace transfusion::cuda
