// attention_backward without tensor cores, in f32 throughout: for f32, and for heads of any size.
// p and ds are computed twice: a block for 64 keys and one key head meets all rows that may see them, for dk
// and dv; then one for 64 rows meets their keys, for dq. No sum depends on the order of blocks.
#include "attention/tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "attention/rows.cuh"
#include "attention/simt_tile.cuh"
#else
#include "host/launch.h"
#endif

namespace transfusion::cuda {

#ifdef __CUDACC__

namespace {

using namespace simt;

template <class T>
struct Backward {
  const AttentionBackwardArguments& call;
  const AttentionShape& shape;
  AttentionSequence sequence;
  i32 g;

  __device__ Backward(const AttentionBackwardArguments& call, i32 sequence)
      : call(call), shape(call.shape), sequence(shape, sequence), g(static_cast<i32>(blockIdx.y)) {}

  // Elements before a row's first, or -1.
  __device__ i64 offset_of_row(const RowTile& tile, i32 row) const {
    return row < tile.count ? tile.place(sequence, g, row).elements : -1;
  }
  __device__ i64 offset_of_key(i32 key) const {
    return key < sequence.keys ? ((sequence.key0 + key) * shape.G + g) * shape.D : -1;
  }

  // p and ds of rows against keys; `seen` says which keys may be read.
  template <class Seen>
  __device__ void differentiate(OwnScores& p, OwnScores& ds, Transposed& a, Transposed& b,
                                const RowTile& tile, i32 key0, const Seen& seen) const {
    const auto row_of = [&](const void* tensor) {
      return [&, tensor](int row) {
        const i64 at = offset_of_row(tile, row);
        return at < 0 ? nullptr : static_cast<const T*>(tensor) + at;
      };
    };
    const auto key_of = [&](const void* tensor) {
      return [&, tensor](int key) {
        return seen(key) ? static_cast<const T*>(tensor) + offset_of_key(key0 + key) : nullptr;
      };
    };
    multiply<T>(p, a, b, shape.D, row_of(call.q), key_of(call.k));
    multiply<T>(ds, a, b, shape.D, row_of(call.dy), key_of(call.v));
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const i32 row = own_y() + kStride * i;
      i32 start = 0, end = 0;
      float lse = 0, delta = 0;
      if (row < tile.count) {
        const i32 query = tile.query(row);
        start = sequence.key_start[query], end = sequence.key_end[query];
        const i64 at = tile.place(sequence, g, row).statistic;
        lse = call.lse[at], delta = call.delta[at];
      }
#pragma unroll
      for (int j = 0; j < kOwn; ++j) {
        const i32 key = key0 + own_x() + kStride * j;
        const bool visible = key >= start && key < end;
        p[i][j] = visible ? fast_exp2((p[i][j] * call.scale - lse) * kLog2e) : 0;
        ds[i][j] = visible ? p[i][j] * (ds[i][j] - delta) : 0;
      }
    }
  }
};

__device__ void write(Scores& scores, const OwnScores& own) {
#pragma unroll
  for (int i = 0; i < kOwn; ++i)
#pragma unroll
    for (int j = 0; j < kOwn; ++j) scores.values[own_y() + kStride * i][own_x() + kStride * j] = own[i][j];
}

template <class T>
__device__ void gradients_of_keys(const AttentionBackwardArguments& arguments) {
  const AttentionShape& shape = arguments.shape;
  const AttentionTile place = arguments.keys.tiles[blockIdx.x];
  T *const dk = static_cast<T*>(arguments.dk), *const dv = static_cast<T*>(arguments.dv);
  if (place.sequence == kRejected) reject_keys<T>(arguments);
  if (place.sequence < 0) return;

  const Backward<T> backward(arguments, place.sequence);
  const AttentionSequence& sequence = backward.sequence;
  const i32 column0 = static_cast<i32>(blockIdx.z) * kColumns, D = shape.D;
  const i32 key0 = place.first, key_end = min(key0 + kTile, sequence.keys);
  const QueryRange queries =
      queries_of_keys(sequence.key_start, sequence.key_end, sequence.queries, key0, key_end);
  __shared__ Transposed a, b;
  __shared__ Rows values;
  __shared__ Scores scores;
  OwnSums dk_sums = {}, dv_sums = {};
  const i32 last = static_cast<i32>(queries.end) * shape.group;
  for (i32 row0 = static_cast<i32>(queries.begin) * shape.group; row0 < last; row0 += kTile) {
    const RowTile tile(shape, sequence, row0, min(kTile, last - row0));
    OwnScores p, ds;
    // Slots that no query sees may hold anything: their scores are left out.
    backward.differentiate(p, ds, a, b, tile, key0, [&](int key) { return key0 + key < key_end; });
    const auto add = [&](OwnSums& sums, const OwnScores& own, const void* tensor) {
      write(scores, own);
      multiply_add<T, true>(sums, scores, values, column0, D, [&](int row) {
        const i64 at = backward.offset_of_row(tile, row);
        return at < 0 ? nullptr : static_cast<const T*>(tensor) + at;
      });
    };
    add(dv_sums, p, arguments.dy);
    add(dk_sums, ds, arguments.q);
  }
  const auto offset = [&](i32 key) { return backward.offset_of_key(key0 + key); };
  store(dk_sums, column0, D, offset,
        [&](i64 at, float sum, int) { dk[at] = from_float<T>(sum * arguments.scale); });
  store(dv_sums, column0, D, offset, [&](i64 at, float sum, int) { dv[at] = from_float<T>(sum); });
}

template <class T>
__device__ void gradients_of_queries(const AttentionBackwardArguments& arguments) {
  const AttentionShape& shape = arguments.shape;
  const AttentionTile place = arguments.rows.tiles[blockIdx.x];
  T* const dq = static_cast<T*>(arguments.dq);
  if (place.sequence == kRejected) reject_queries<T>(arguments);
  if (place.sequence < 0) return;

  const Backward<T> backward(arguments, place.sequence);
  const AttentionSequence& sequence = backward.sequence;
  const RowTile tile(shape, sequence, place.first, kTile);
  const i32 column0 = static_cast<i32>(blockIdx.z) * kColumns, D = shape.D;
  const i32 q0 = tile.query(0), q1 = tile.end_query();
  __shared__ Transposed a, b;
  __shared__ Rows values;
  __shared__ Scores scores;
  __shared__ bool seen[kTile];  // by some row: what no row sees may hold anything
  OwnSums sums = {};
  const i32 end = sequence.key_end[q1 - 1];
  for (i32 key0 = sequence.key_start[q0]; key0 < end; key0 += kTile) {
    if (threadIdx.x < kTile) seen[threadIdx.x] = sequence.sees(q0, q1, key0 + static_cast<i32>(threadIdx.x));
    __syncthreads();
    OwnScores p, ds;
    backward.differentiate(p, ds, a, b, tile, key0, [&](int key) { return seen[key]; });
    write(scores, ds);
    multiply_add<T, false>(sums, scores, values, column0, D, [&](int key) {
      const T* k = static_cast<const T*>(arguments.k);
      return seen[key] ? k + backward.offset_of_key(key0 + key) : nullptr;
    });
  }
  store(
      sums, column0, D, [&](i32 row) { return backward.offset_of_row(tile, row); },
      [&](i64 at, float sum, int) { dq[at] = from_float<T>(sum * arguments.scale); });
}

}  // namespace

KERNEL(attention_simt_dkv_f32, AttentionBackwardArguments, simt::kThreads, 1) {
  gradients_of_keys<f32>(arguments);
}
KERNEL(attention_simt_dkv_bf16, AttentionBackwardArguments, simt::kThreads, 1) {
  gradients_of_keys<bf16>(arguments);
}
KERNEL(attention_simt_dq_f32, AttentionBackwardArguments, simt::kThreads, 1) {
  gradients_of_queries<f32>(arguments);
}
KERNEL(attention_simt_dq_bf16, AttentionBackwardArguments, simt::kThreads, 1) {
  gradients_of_queries<bf16>(arguments);
}

#else

FLOAT_KERNELS(dkv_kernel, AttentionBackwardArguments, "attention_simt_backward", "attention_simt_dkv",
              simt::kThreads)
FLOAT_KERNELS(dq_kernel, AttentionBackwardArguments, "attention_simt_backward", "attention_simt_dq",
              simt::kThreads)

Status attention_backward_simt(Context& context, DType dtype, AttentionBackwardArguments arguments) {
  const AttentionShape& shape = arguments.shape;
  arguments.rows = row_tiles(shape, simt::kTile);
  arguments.keys = key_tiles(shape, simt::kTile);
  if (Status status = cut_attention(context, shape, arguments.rows, arguments.keys, arguments.fault);
      status.failed)
    return status;
  const i64 slices = ceil_div(shape.D, simt::kColumns);
  if (Status status =
          launch(context, dkv_kernel(dtype), {arguments.keys.capacity, shape.G, slices}, arguments);
      status.failed)
    return status;
  return launch(context, dq_kernel(dtype), {arguments.rows.capacity, shape.G, slices}, arguments);
}

#endif

}  // namespace transfusion::cuda
