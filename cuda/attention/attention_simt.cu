// attention without tensor cores, in f32 throughout: for f32, and for heads of any size.
// One block for 64 rows, one key head and up to 128 columns of heads; tiles of 64 keys lie on one grid per
// sequence, so that a row's sums do not depend on the rows beside it.
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

// Over the 16 threads that own a row.
__device__ float max_of_row(float value) {
  for (int distance = kStride / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}
__device__ float sum_of_row(float value) {
  for (int distance = kStride / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

// The running maximum and sum of a row's softmax; m in units of log 2.
struct RowState {
  float m = -INFINITY, l = 0;
  i32 start = 0, end = 0;  // of the keys that it sees
};

// Scores become p; returns what sums under the old maximum are to be multiplied with.
__device__ float update(RowState& row, float (&scores)[kOwn], i32 key0, float exponent) {
  float m = row.m;
#pragma unroll
  for (int j = 0; j < kOwn; ++j) {
    const i32 key = key0 + own_x() + kStride * j;
    scores[j] = key >= row.start && key < row.end ? __fmul_rn(scores[j], exponent) : -INFINITY;
    m = fmaxf(m, scores[j]);
  }
  m = max_of_row(m);
  // A row that has not seen any key yet keeps m = -infinity; its differences must not become NaN.
  const float base = m == -INFINITY ? 0 : m, rescale = fast_exp2(row.m - base);
  row.m = m;
  row.l *= rescale;
  for (float& score : scores) {
    score = fast_exp2(score - base);
    row.l += score;
  }
  return rescale;
}

template <class T>
__device__ void attention(const AttentionArguments& arguments) {
  const AttentionShape& shape = arguments.shape;
  const AttentionTile place = arguments.rows.tiles[blockIdx.x];
  T *const y = static_cast<T*>(arguments.y), *const y_lo = static_cast<T*>(arguments.y_lo);
  if (place.sequence == kRejected) reject<T>(arguments);
  if (place.sequence < 0) return;

  const AttentionSequence sequence(shape, place.sequence);
  const RowTile tile(shape, sequence, place.first, kTile);
  const i32 g = static_cast<i32>(blockIdx.y), column0 = static_cast<i32>(blockIdx.z) * kColumns, D = shape.D;
  const auto offset = [&](i32 row) -> i64 {
    return row < tile.count ? tile.place(sequence, g, row).elements : -1;
  };
  const i32 q0 = tile.query(0), q1 = tile.end_query();
  const i32 begin = sequence.key_start[q0], end = sequence.key_end[q1 - 1];

  __shared__ Transposed a, b;
  __shared__ Rows values;
  __shared__ Scores p;
  __shared__ bool seen[kTile];  // by some row: what no row sees may hold anything

  OwnSums sums = {};
  RowState rows[kOwn];
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const i32 row = own_y() + kStride * i;
    if (row >= tile.count) continue;
    rows[i].start = sequence.key_start[tile.query(row)];
    rows[i].end = sequence.key_end[tile.query(row)];
  }
  for (i32 key0 = begin / kTile * kTile; key0 < end; key0 += kTile) {
    if (threadIdx.x < kTile) seen[threadIdx.x] = sequence.sees(q0, q1, key0 + static_cast<i32>(threadIdx.x));
    __syncthreads();
    const auto row_of = [&](const void* tensor) {
      return [&, tensor](int key) {
        const i64 row = (sequence.key0 + key0 + key) * shape.G + g;
        return seen[key] ? static_cast<const T*>(tensor) + row * D : nullptr;
      };
    };
    const auto query_row = [&](int row) {
      const i64 at = offset(row);
      return at < 0 ? nullptr : static_cast<const T*>(arguments.q) + at;
    };
    OwnScores scores;
    multiply<T>(scores, a, b, D, query_row, row_of(arguments.k));
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      if (arguments.negative)
        for (float& score : scores[i]) score = -score;
      const float rescale = update(rows[i], scores[i], key0, arguments.exponent);
      for (float& sum : sums[i]) sum *= rescale;
#pragma unroll
      for (int j = 0; j < kOwn; ++j) p.values[own_y() + kStride * i][own_x() + kStride * j] = scores[i][j];
    }
    multiply_add<T, false>(sums, p, values, column0, D, row_of(arguments.v));
  }

  for (RowState& row : rows) row.l = sum_of_row(row.l);
  store(sums, column0, D, offset, [&](i64 at, float sum, int i) {
    const float value = sum / rows[i].l;
    y[at] = from_float<T>(value);
    if (y_lo) y_lo[at] = from_float<T>(value - to_float(y[at]));
  });
  if (column0 == 0 && own_x() == 0)
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const i32 row = own_y() + kStride * i;
      if (row < tile.count)
        arguments.lse[tile.place(sequence, g, row).statistic] = rows[i].m * kLn2 + logf(rows[i].l);
    }
}

}  // namespace

KERNEL(attention_simt_f32, AttentionArguments, simt::kThreads, 1) { attention<f32>(arguments); }
KERNEL(attention_simt_bf16, AttentionArguments, simt::kThreads, 1) { attention<bf16>(arguments); }

#else

FLOAT_KERNELS(simt_kernel, AttentionArguments, "attention_simt", "attention_simt", simt::kThreads)

Status attention_simt(Context& context, DType dtype, AttentionArguments arguments) {
  TileList none;
  arguments.rows = row_tiles(arguments.shape, simt::kTile);
  if (Status status = cut_attention(context, arguments.shape, arguments.rows, none, arguments.fault);
      status.failed)
    return status;
  const Grid grid = {arguments.rows.capacity, arguments.shape.G, ceil_div(arguments.shape.D, simt::kColumns)};
  return launch(context, simt_kernel(dtype), grid, arguments);
}

#endif

}  // namespace transfusion::cuda
