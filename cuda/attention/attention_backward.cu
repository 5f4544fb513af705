// With s = scale q . k, p = exp(s - lse), dp = dy . v and delta = dy . y:  ds = p (dp - delta),
// dv[k] += p dy[t],  dk[k] += scale ds q[t],  dq[t] += scale ds k[k]; key head g sums over its query heads.
//
// Scores and dp are computed twice: blocks that own keys meet all rows that may see them, for dk and dv
// (attention_key_gradients.cu); then blocks that own rows meet their keys, for dq
// (attention_query_gradients.cu). So no sum depends on the order of blocks. In either, what a warp owns are
// the rows of its products, so that p and ds, as they leave one product, are the left operand of the next
// without going through memory.
//
// p and ds are rounded to bf16; where a key has much of a row, what that loses is multiplied too
// (differentiate.cuh).
#include "attention/mma_tiles.h"
#include "kernel.h"
#ifdef __CUDACC__
#include "device/convert.cuh"
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

}  // namespace

KERNEL(attention_dot_rows_f32, DotRowsArguments, kDotThreads) { dot_rows<f32>(arguments); }
KERNEL(attention_dot_rows_bf16, DotRowsArguments, kDotThreads) { dot_rows<bf16>(arguments); }

#else

FLOAT_KERNELS(dot_rows_kernel, DotRowsArguments, "attention_backward", "attention_dot_rows", kDotThreads)

Status attention_backward(Context& context, Out dq, Out dk, Out dv, In dy, In y, InOptional y_lo, In lse,
                          In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale) {
  const AttentionShape shape = attention_shape(q, k, key_start, key_end, query_rows, key_rows);
  f32* delta = context.scratch<f32>(shape.T * shape.H);
  if (Status status =
          launch(context, dot_rows_kernel(q.dtype), {ceil_div(shape.T * shape.H, kDotThreads / kDotLanes)},
                 {delta, dy.data, y.data, y_lo.data, shape.T, shape.H, shape.D});
      status.failed)
    return status;
  AttentionBackwardArguments arguments = {
      .shape = shape,
      .rows = {},
      .keys = {},
      .fault = {},
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
  if (q.dtype == DType::f32 || shape.D > kMostWidth)
    return attention_backward_simt(context, q.dtype, arguments);
  arguments.rows = row_tiles(shape, query_gradient_tile(shape.D));
  arguments.keys = key_tiles(shape, key_gradient_tile(shape.D));
  if (Status status = cut_attention(context, shape, arguments.rows, arguments.keys, arguments.fault);
      status.failed)
    return status;
  if (Status status = attention_key_gradients(context, arguments); status.failed) return status;
  return attention_query_gradients(context, arguments);
}

#endif

}  // namespace transfusion::cuda
