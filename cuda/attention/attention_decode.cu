// attention of a few rows and many keys, as in decoding: bound by how fast k and v come.
// A block owns 16 rows of one key head and, where their sequence has few others, one chunk of its keys,
// so that blocks enough for the GPU share a long sequence; attention_join joins what they computed. Each warp
// computes all scores, which costs no memory, and 16 columns of y, while copies of the next tiles of keys are
// under way. Every sum has the same terms in the same order as in attention.cu, so that a query's result has
// the same bits in either.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/kept_sums.cuh"
#include "attention/row_block.cuh"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

template <class Tile>
using Block = RowBlock<Tile::kWidth, Tile::kRows, 16, Tile::kKeys, Tile::kThreads>;
// Each warp has all rows and 16 columns.
template <class Tile>
using Kept = KeptSums<1, 16, Tile::kThreads>;

// Whether any of this lane's rows is there.
template <class Tile>
__device__ __forceinline__ bool has_rows(const Block<Tile>& block) {
  return block.lane_row(0, 0) < block.count();
}

// Stores the results of a block's rows.
template <class Tile>
__device__ __forceinline__ void finish(const AttentionArguments& call, const Block<Tile>& block,
                                       const typename Kept<Tile>::Sums& sums,
                                       const typename Kept<Tile>::Softmax& softmax) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  float factors[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    factors[half] = 1.0f / softmax[0][half].l;
    const int row = block.lane_row(0, half);
    if (threadIdx.x % 4 == 0 && warp == 0 && row < block.count())
      call.lse[block.statistic(row)] = softmax[0][half].lse(call.exponent);
  }
  // By way of q's rows.
  const uint32_t q_tile = shared_address(dynamic_shared) + Tile::kQ;
  const auto store = [&](void* tensor, const auto& value) {
    __syncthreads();
    write_head_columns<Tile::kWidth, 16>(q_tile, 0, warp, sums[0], value);
    __syncthreads();
    if (warp == 0) block.store_tile_rows(q_tile, tensor, 0);
  };
  store(call.y, [&](float sum, int half) { return sum * factors[half]; });
  if (call.y_lo) store(call.y_lo, [&](float sum, int half) { return lost_by_rounding(sum * factors[half]); });
}

template <class Tile>
__device__ __forceinline__ void decode(const AttentionArguments& call, const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kKeys = Tile::kKeys, kStages = Tile::kStages;
  using Heads = HeadTile<kWidth>;
  const uint32_t shared = shared_address(dynamic_shared), q_tile = shared + Tile::kQ;
  Block<Tile> block(call.shape, at, call.aligned, reinterpret_cast<int2*>(dynamic_shared + Tile::kSpans));
  if (at.parts > 1) block.keep_chunk(at.part);

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
  const auto q_lane = Heads::a(q_tile, 0);
  typename Kept<Tile>::Sums sums = {};
  typename Kept<Tile>::Softmax softmax;
  const Kept<Tile> kept(Kept<Tile>::of_block(call.chunks, blockIdx.x));
  for (bool joins = false;; joins = true) {
    i32 last;
    do {
      wait_for_copies<kStages - 2>();
      __syncthreads();
      load();
      typename Block<Tile>::Scores scores;
      multiply_heads<kWidth, 1, kKeys>(scores, q_lane, Heads::b(read + Tile::kK));
      block.for_each_hidden(key0, [&](int m, int j, int i) { scores[m][j][i] = -INFINITY; });
      add_scores(softmax, scores, sums, call.exponent);
      const auto v_lane = Heads::b_transposed(read + Tile::kV, 0, warp);
      add_product<kWidth, kKeys, 1, 16>(sums, scores, v_lane);
      read = next_stage(read);
      last = key0, key0 = block.next_tile(key0 + kKeys);
    } while (key0 < block.end && same_chunk(last, key0));
    softmax[0][0].finish(), softmax[0][1].finish();
    if (joins) kept.join_to_kept(sums, softmax, call.exponent);
    if (key0 >= block.end) break;
    kept.keep(sums, softmax);
  }
  if (at.parts == 1) return finish<Tile>(call, block, sums, softmax);
  if (has_rows<Tile>(block)) kept.keep(sums, softmax);
}

template <class Tile>
__device__ __forceinline__ void attention_decode(const AttentionArguments& arguments) {
  const AttentionTile at = arguments.rows.tiles[blockIdx.x];
  if (at.sequence == kRejected) return reject<bf16>(arguments);
  if (at.sequence >= 0) decode<Tile>(arguments, at);
}

// Joins the chunks of a tile's rows, in the place of the first one.
template <class Tile>
__device__ __forceinline__ void attention_join(const AttentionArguments& arguments) {
  const AttentionTile at = arguments.rows.tiles[blockIdx.x];
  if (at.sequence < 0 || at.parts == 1 || at.part != 0) return;
  const Block<Tile> block(arguments.shape, at, arguments.aligned,
                          reinterpret_cast<int2*>(dynamic_shared + Tile::kSpans));
  typename Kept<Tile>::Sums sums = {};
  typename Kept<Tile>::Softmax softmax;
  const auto kept = [&](i32 part) {
    return Kept<Tile>(Kept<Tile>::of_block(arguments.chunks, blockIdx.x + part));
  };
  if (has_rows<Tile>(block)) {
    kept(0).read(sums, softmax);
    for (i32 part = 1; part < at.parts; ++part) kept(part).join_kept(sums, softmax, arguments.exponent);
  }
  finish<Tile>(arguments, block, sums, softmax);
}

}  // namespace

HEAD_WIDTHS(HEAD_KERNEL, attention_decode, AttentionArguments, Decode, attention_decode)
HEAD_WIDTHS(HEAD_KERNEL, attention_join, AttentionArguments, Join, attention_join)

#else

constexpr HeadKernel<AttentionArguments> decode_kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention_decode", "attention_decode", Decode, kRows)};
constexpr HeadKernel<AttentionArguments> join_kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention_decode", "attention_join", Join, kRows)};

Status attention_decode(Context& context, const AttentionArguments& call, i32 most_tiles) {
  const AttentionShape& shape = call.shape;
  const HeadKernel<AttentionArguments>& form = form_of(decode_kernels, shape.D);
  AttentionArguments arguments = call;
  TileList none;
  arguments.rows = row_tiles(shape, form.tile, most_tiles);
  if (Status status = cut_attention(context, shape, arguments.rows, none, arguments.fault); status.failed)
    return status;
  // What KeptSums has in each thread, of which there are two for a column.
  arguments.chunks = chunk_sums(context, shape, arguments.rows, 2 * form.width * 12);
  if (Status status = launch(context, form, arguments.rows, arguments); status.failed || !arguments.chunks)
    return status;
  return launch(context, form_of(join_kernels, shape.D), arguments.rows, arguments);
}

#endif

}  // namespace transfusion::cuda
