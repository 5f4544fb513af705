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

// p or ds of a warp's keys and the rows of its side, as fragments of left operands. The other side reads them
// from shared memory as they are, 16 bytes a lane.
template <class Tile>
struct SideFragments {
  static constexpr int kCount = Tile::kKeysOfWarp / 16, kSteps = Tile::kRowsOfSide / 16;
  LeftFragments<kCount> of[kSteps];

  __device__ __forceinline__ explicit SideFragments(const WarpSums16<kCount, Tile::kRowsOfSide>& sums) {
#pragma unroll
    for (int j = 0; j < kSteps; ++j) round_to_left(of[j], sums, j);
  }
  // Of what rounding loses.
  static __device__ __forceinline__ SideFragments lost(const WarpSums16<kCount, Tile::kRowsOfSide>& sums) {
    WarpSums16<kCount, Tile::kRowsOfSide> lost;
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int j = 0; j < Tile::kRowsOfSide / 8; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i) lost[m][j][i] = sums[m][j][i];
    keep_lost_by_rounding(lost);
    return SideFragments(lost);
  }
  static __device__ __forceinline__ uint32_t place(uint32_t sent, int warp) {
    return sent + (warp * kCount * kSteps * 32 + threadIdx.x % 32) * 16;
  }
  __device__ __forceinline__ void send(uint32_t sent, int warp) const {
#pragma unroll
    for (int j = 0; j < kSteps; ++j)
#pragma unroll
      for (int m = 0; m < kCount; ++m) store_shared_16(place(sent, warp) + (j * kCount + m) * 512, of[j][m]);
  }
};

// The tile, in shared memory, and read again wherever it is asked for: the main loop has no registers for it.
__device__ __forceinline__ volatile AttentionTile& own_tile() {
  __shared__ AttentionTile tile;
  return tile;
}

// The keys of a tile, of this key head, in tensors [K, G, D].
struct OwnKeys {
  i64 first;  // element
  i32 count;
  uint32_t stride;

  __device__ __forceinline__ OwnKeys(const AttentionShape& shape, i32 b, i32 key0, i32 most) {
    const AttentionSequence sequence(shape, b);
    first = ((sequence.key0 + key0) * shape.G + blockIdx.y) * shape.D;
    count = min(most, sequence.keys - key0);
    stride = static_cast<uint32_t>(shape.G) * shape.D;
  }
};

// Scores and dp of a warp's keys and the rows of its side, from `own_row` of a stage on, become p and ds.
template <class Tile, int kCount>
__device__ __forceinline__ void differentiate_side(WarpSums16<kCount, Tile::kRowsOfSide>& p,
                                                   WarpSums16<kCount, Tile::kRowsOfSide>& ds,
                                                   const char* stage, int own_row, float exponent) {
  const float* lse = reinterpret_cast<const float*>(stage + Tile::kLse) + own_row;
  const float* delta = reinterpret_cast<const float*>(stage + Tile::kDelta) + own_row;
#pragma unroll
  for (int j = 0; j < Tile::kRowsOfSide / 8; ++j) {
    const int row = 8 * j + static_cast<int>(threadIdx.x) % 4 * 2;
    const float2 lses = *reinterpret_cast<const float2*>(lse + row);
    const float2 deltas = *reinterpret_cast<const float2*>(delta + row);
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        differentiate(p[m][j][2 * half], ds[m][j][2 * half], exponent, lses.x, deltas.x);
        differentiate(p[m][j][2 * half + 1], ds[m][j][2 * half + 1], exponent, lses.y, deltas.y);
      }
  }
}

// p and ds become zero where a row of the stage, of `count`, does not see a key.
template <class Tile, int kCount>
__device__ __forceinline__ void hide_unseen(WarpSums16<kCount, Tile::kRowsOfSide>& p,
                                            WarpSums16<kCount, Tile::kRowsOfSide>& ds, const char* stage,
                                            int own_row, int count, int own_key) {
  const short2* spans = reinterpret_cast<const short2*>(stage + Tile::kSpans);
  if (spans[count - 1].x == 0 && spans[0].y == Tile::kKeys) return;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < Tile::kRowsOfSide / 8; ++j)
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const short2 span = spans[own_row + 8 * j + lane % 4 * 2 + i];
#pragma unroll
      for (int m = 0; m < kCount; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int key = own_key + 16 * m + 8 * half + lane / 4;
          if (key < span.x || key >= span.y) p[m][j][2 * half + i] = ds[m][j][2 * half + i] = 0;
        }
    }
}

template <class Tile>
__device__ __forceinline__ void gradients_of_keys(const AttentionBackwardArguments& call,
                                                  const AttentionTile& at) {
  constexpr int kWidth = Tile::kWidth, kCount = Tile::kKeysOfWarp / 16, kSides = Tile::kSides;
  constexpr int kColumns = kWidth / kSides, kRowsOfSide = Tile::kRowsOfSide;
  constexpr bool kAhead = Tile::kStages == 2;
  using Heads = HeadTile<kWidth>;
  using Fragments = SideFragments<Tile>;
  const AttentionShape& shape = call.shape;
  const AttentionSequence sequence(shape, at.sequence);
  const i32 key0 = at.first, D = shape.D;
  const QueryRange queries = queries_of_keys(sequence.key_start, sequence.key_end, sequence.queries, key0,
                                             min(key0 + Tile::kKeys, sequence.keys));
  i32 row0 = static_cast<i32>(queries.begin) * shape.group;
  const RowStages<Tile> rows{call, sequence, static_cast<i32>(queries.end) * shape.group};

  const uint32_t shared = shared_address(dynamic_shared);
  const uint32_t k_tile = shared + Tile::kK, v_tile = shared + Tile::kV;
  // Slots that no query sees may hold anything: their scores are left out.
  const auto load_keys = [&](uint32_t tile, const void* tensor) {
    const OwnKeys keys(shape, at.sequence, key0, Tile::kKeys);
    const bf16* first = static_cast<const bf16*>(tensor) + keys.first;
    if (call.aligned)
      copy_head_rows<kWidth, Tile::kKeys, Tile::kThreads>(tile, D, first, keys.stride, 0, keys.count);
    else
      load_head_rows<kWidth, Tile::kKeys, Tile::kThreads>(tile, D, [&](int key) {
        return key < keys.count ? first + wide_product(key, keys.stride) : nullptr;
      });
  };
  if (threadIdx.x == 0) own_tile().sequence = at.sequence, own_tile().first = key0;
  int stage = Tile::kStage, other = Tile::kStage + (Tile::kStages - 1) * Tile::kStageBytes;
  if (row0 < rows.end) {
    load_keys(k_tile, call.k);
    load_keys(v_tile, call.v);
    rows.load(shared + stage + Tile::kDy, call.dy, row0);
    rows.load(shared + stage + Tile::kQ, call.q, row0);
    rows.write(dynamic_shared + stage, rows.read(row0, key0));
  }
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();

  const int warp = static_cast<int>(threadIdx.x) / 32, side = warp % kSides;
  const int own_key = warp / kSides * Tile::kKeysOfWarp, own_row = side * kRowsOfSide;
  const auto k_lane = Heads::a(k_tile, own_key), v_lane = Heads::a(v_tile, own_key);
  // The gradients' columns of a side's rows.
  const auto columns = [&](uint32_t tile, int of_side) {
    return Heads::b_transposed(tile, of_side * kRowsOfSide, side);
  };
  WarpSums16<kCount, kColumns> dk = {}, dv = {};
  const auto add_own = [&](WarpSums16<kCount, kColumns>& sums, const Fragments& own, uint32_t tile) {
#pragma unroll
    for (int j = 0; j < Fragments::kSteps; ++j)
      add_left_product<kWidth, kCount, kColumns / 8, kSides>(sums, own.of[j], columns(tile, side), j);
  };
  const auto add_sent = [&](WarpSums16<kCount, kColumns>& sums, uint32_t sent, uint32_t tile) {
#pragma unroll
    for (int j = 0; j < Fragments::kSteps; ++j) {
      LeftFragments<kCount> left;
#pragma unroll
      for (int m = 0; m < kCount; ++m)
        load_shared_16(left[m], Fragments::place(sent, warp ^ 1) + (j * kCount + m) * 512);
      add_left_product<kWidth, kCount, kColumns / 8, kSides>(sums, left, columns(tile, side ^ 1), j);
    }
  };
  // Of a tile with large p, what rounding p and ds loses is added too: by another turn where two sides
  // exchange them, since a warp has no registers for both.
  bool lost = false;
  while (row0 < rows.end) {
    i32 next = row0 + Tile::kRows;
    if constexpr (kAhead) {
      rows.load(shared + other + Tile::kDy, call.dy, next);
      rows.load(shared + other + Tile::kQ, call.q, next);
      commit_copies();
    }
    WarpSums16<kCount, kRowsOfSide> p, ds;
    const uint32_t q_tile = shared + stage + Tile::kQ, dy_tile = shared + stage + Tile::kDy;
    multiply_heads<kWidth, kCount, kRowsOfSide>(ds, v_lane, Heads::b(dy_tile, own_row));
    if constexpr (!kAhead) {
      wait_for_copies<0>();
      __syncthreads();
    }
    multiply_heads<kWidth, kCount, kRowsOfSide>(p, k_lane, Heads::b(q_tile, own_row));
    differentiate_side<Tile>(p, ds, dynamic_shared + stage, own_row, call.exponent);
    hide_unseen<Tile>(p, ds, dynamic_shared + stage, own_row, min(Tile::kRows, rows.end - row0), own_key);
    if constexpr (kSides == 1) {
      if (__any_sync(~0u, has_large(p))) {
        add_own(dv, Fragments::lost(p), dy_tile);
        add_own(dk, Fragments::lost(ds), q_tile);
      }
    } else if (lost) {
      keep_lost_by_rounding(p);
      keep_lost_by_rounding(ds);
    }
    const Fragments own_p(p), own_ds(ds);
    if constexpr (kSides == 2) {
      own_p.send(shared + Tile::kP, warp);
      own_ds.send(shared + Tile::kDs, warp);
      lost = __syncthreads_or(!lost && has_large(p));
      if (lost) next = row0;
    }
    const auto statistics = rows.read(next, own_tile().first);
    add_own(dv, own_p, dy_tile);
    if constexpr (kSides == 2) add_sent(dv, shared + Tile::kP, dy_tile);
    if constexpr (!kAhead) {
      __syncthreads();
      rows.load(dy_tile, call.dy, next);
      commit_copies();
    }
    add_own(dk, own_ds, q_tile);
    if constexpr (kSides == 2) add_sent(dk, shared + Tile::kDs, q_tile);
    rows.write(dynamic_shared + other, statistics);
    wait_for_copies<0>();
    __syncthreads();
    if constexpr (!kAhead) {
      rows.load(q_tile, call.q, next);
      commit_copies();
    }
    const int before = stage;
    stage = other, other = before;
    row0 = next;
  }

  // By way of k and v, of whose rows the two sides of a warp's keys each write their columns.
#pragma unroll
  for (int m = 0; m < kCount; ++m) {
    const int row = own_key + 16 * m;
    write_head_columns<kWidth, kColumns, kSides>(k_tile, row, side, dk[m],
                                                 [&](float sum, int) { return sum * call.scale; });
    write_head_columns<kWidth, kColumns, kSides>(v_tile, row, side, dv[m],
                                                 [](float sum, int) { return sum; });
  }
  __syncthreads();
  const OwnKeys keys(shape, own_tile().sequence, own_tile().first, Tile::kKeys);
  const auto store = [&](uint32_t tile, void* tensor, int row) {
    bf16* first = static_cast<bf16*>(tensor) + keys.first;
    store_head_rows<kWidth>(tile, row, D, call.aligned, [&](int key) {
      return key < keys.count ? first + wide_product(key, keys.stride) : nullptr;
    });
  };
  for (int m = side; m < kCount; m += kSides) {
    store(k_tile, call.dk, own_key + 16 * m);
    store(v_tile, call.dv, own_key + 16 * m);
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
