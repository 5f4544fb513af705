// attention of a few rows and many keys, as in decoding: bound by how fast k and v come.
// A block owns 16 rows of one key head. Each warp computes all their scores, which costs no memory, and 16
// columns of y, while copies of the next tiles of keys are under way. Every sum has the same terms in the
// same order as in attention.cu, so that a query's result has the same bits in either; hence keys are not
// split over blocks.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/online_softmax.cuh"
#include "attention/row_block.cuh"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

template <class Tile>
__device__ __forceinline__ void decode(const AttentionArguments& call, const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kKeys = Tile::kKeys, kStages = Tile::kStages;
  using Heads = HeadTile<kWidth>;
  using Block = RowBlock<kWidth, Tile::kRows, 16, kKeys, Tile::kThreads>;
  const uint32_t shared = shared_address(dynamic_shared), q_tile = shared + Tile::kQ;
  const Block block(call.shape, at, call.aligned, reinterpret_cast<int2*>(dynamic_shared + Tile::kSpans));

  i32 key0 = block.begin / kKeys * kKeys, coming = key0;
  uint32_t read = shared + Tile::kStage, write = read;
  const auto next_stage = [&](uint32_t stage) {
    return stage == shared + Tile::kStage + (kStages - 1) * Tile::kStageBytes ? shared + Tile::kStage
                                                                              : stage + Tile::kStageBytes;
  };
  const auto load = [&] {
    if (coming < block.end) {
      block.load_keys(write + Tile::kK, call.k, coming);
      block.load_keys(write + Tile::kV, call.v, coming);
      coming = block.next_tile(coming + kKeys);
    }
    commit_copies();
    write = next_stage(write);
  };
  block.load_rows(q_tile, call.q);
#pragma unroll 1
  for (int stage = 0; stage < kStages - 1; ++stage) load();
  if (call.negative) {
    wait_for_copies<0>();
    __syncthreads();
    for (int word = threadIdx.x; word < Tile::kRows * kWidth / 2; word += Tile::kThreads)
      reinterpret_cast<uint32_t*>(dynamic_shared + Tile::kQ)[word] ^= 0x80008000;
  }

  const int warp = static_cast<int>(threadIdx.x) / 32;
  const uint32_t q_lane = Heads::a(q_tile, 0);
  WarpSums16<1, 16> sums = {};
  OnlineSoftmax softmax[2];
  while (key0 < block.end) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    load();
    typename Block::Scores scores;
    multiply_heads<kWidth, 1, kKeys>(scores, q_lane, Heads::b(read + Tile::kK));
    block.for_each_hidden(key0, [&](int m, int j, int i) { scores[m][j][i] = -INFINITY; });
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float rescale = softmax[half].update(scores[0], half, call.exponent);
#pragma unroll
      for (int j = 0; j < 2; ++j) sums[0][j][2 * half] *= rescale, sums[0][j][2 * half + 1] *= rescale;
    }
    const uint32_t v_lane = Heads::move(Heads::b_transposed(read + Tile::kV), 0, warp);
    add_product<kWidth, kKeys, false, 1, 16>(sums, scores, v_lane);
    read = next_stage(read);
    key0 = block.next_tile(key0 + kKeys);
  }

  float factors[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    softmax[half].finish();
    factors[half] = 1.0f / softmax[half].l;
    const int row = block.lane_row(0, half);
    if (threadIdx.x % 4 == 0 && warp == 0 && row < block.count)
      call.lse[block.statistic(row)] = softmax[half].lse(call.exponent);
  }
  // By way of q's rows.
  const auto store = [&](void* tensor, const auto& value) {
    __syncthreads();
    write_head_columns<kWidth, 16>(q_tile, 0, warp, sums[0], value);
    __syncthreads();
    if (warp == 0) block.store_tile_rows(q_tile, tensor, 0);
  };
  store(call.y, [&](float sum, int half) { return sum * factors[half]; });
  if (call.y_lo) store(call.y_lo, [&](float sum, int half) { return lost_by_rounding(sum * factors[half]); });
}

template <class Tile>
__device__ __forceinline__ void attention_decode(const AttentionArguments& arguments) {
  const AttentionTile at = arguments.rows.tiles[blockIdx.x];
  if (at.sequence >= 0) decode<Tile>(arguments, at);
  if (at.sequence == kRejected) write_nan<bf16>(arguments);
}

}  // namespace

HEAD_WIDTHS(HEAD_KERNEL, attention_decode, AttentionArguments, Decode, attention_decode)

#else

constexpr HeadKernel<AttentionArguments> decode_kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention_decode", "attention_decode", Decode, kRows)};

Status attention_decode(Context& context, const AttentionArguments& call) {
  const HeadKernel<AttentionArguments>& form = form_of(decode_kernels, call.shape.D);
  AttentionArguments arguments = call;
  arguments.rows = row_tiles(context, call.shape, form.tile);
  if (Status status = cut_attention(context, call.shape, arguments.rows, {}); status.failed) return status;
  return launch(context, form, arguments.rows, arguments);
}

#endif

}  // namespace transfusion::cuda
