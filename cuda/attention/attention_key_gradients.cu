// dk and dv of attention_backward.cu: a block owns a tile of keys of one key head, and meets all rows that
// may see them. While a tile of rows is computed, the next one comes.
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/differentiate.cuh"
#include "attention/row_block.cuh"
#include "attention/row_stages.cuh"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

template <class Tile>
__device__ __forceinline__ void gradients_of_keys(const AttentionBackwardArguments& call,
                                                  const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kCount = Tile::kKeysOfWarp / 16;
  using Heads = HeadTile<kWidth>;
  const AttentionShape& shape = call.shape;
  const AttentionSequence sequence(shape, at.sequence);
  const i32 key0 = at.first, keys = min(Tile::kKeys, sequence.keys - key0), D = shape.D;
  const uint32_t stride = static_cast<uint32_t>(shape.G) * D;
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
          tile, D, [&](int key) { return key < keys ? first + wide_product(key, stride) : nullptr; });
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
    store_head_rows<kWidth>(tile, own_key + 16 * m, D, call.aligned, [&](int key) {
      return key < keys ? first + wide_product(key, stride) : nullptr;
    });
  };
  __syncwarp();
#pragma unroll
  for (int m = 0; m < kCount; ++m) {
    store(k_tile, call.dk, dk[m], m, call.scale);
    store(v_tile, call.dv, dv[m], m, 1);
  }
}

template <class Tile>
__device__ __forceinline__ void key_gradients(const AttentionBackwardArguments& arguments) {
  const AttentionTile at = arguments.keys.tiles[blockIdx.x];
  if (at.sequence >= 0) return gradients_of_keys<Tile>(arguments, at);
  if (at.sequence == kRejected) reject_keys<bf16>(arguments);
}

}  // namespace

HEAD_WIDTHS(HEAD_KERNEL, attention_dkv, AttentionBackwardArguments, KeyGradient, key_gradients)

#else

constexpr HeadKernel<AttentionBackwardArguments> kernels[] = {
    HEAD_WIDTHS(HEAD_FORM, "attention_key_gradients", "attention_dkv", KeyGradient, kKeys)};

i32 key_gradient_tile(i32 D) { return form_of(kernels, D).tile; }

Status attention_key_gradients(Context& context, const AttentionBackwardArguments& arguments) {
  return launch(context, form_of(kernels, arguments.shape.D), arguments.keys, arguments);
}

#endif

}  // namespace transfusion::cuda
