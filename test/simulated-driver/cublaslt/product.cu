// Products for the simulated cuBLASLt, right and no more: a thread for each sum.
#include "cublaslt/product.h"

#include "device/convert.cuh"

namespace simulated {
namespace {

using transfusion::bf16;
using transfusion::cuda::from_float;
using transfusion::cuda::to_float;

__device__ i64 element(i64 stride, bool transposed, i64 row, i64 column) {
  return transposed ? row * stride + column : column * stride + row;
}

__device__ void store(const ProductArguments& arguments, i64 matrix, i64 row, i64 column, float sum) {
  const i64 at = matrix * arguments.d_batch + column * arguments.d_stride + row;
  const auto value = [&](const void* data, i64 i) {
    return arguments.is_bf16 ? to_float(static_cast<const bf16*>(data)[i])
                             : static_cast<const float*>(data)[i];
  };
  if (arguments.bias) sum += value(arguments.bias, row);
  if (arguments.beta != 0) sum += arguments.beta * value(arguments.c, at);
  if (arguments.is_bf16)
    static_cast<bf16*>(arguments.d)[at] = from_float<bf16>(sum);
  else
    static_cast<float*>(arguments.d)[at] = sum;
}

__device__ i64 place() { return static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x; }

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads)
    simulated_cublaslt_product(const __grid_constant__ ProductArguments arguments) {
  const i64 at = place(), matrix = blockIdx.y, split = blockIdx.z;
  if (at >= arguments.m * arguments.n) return;
  const i64 row = at % arguments.m, column = at / arguments.m;
  const bf16* a = static_cast<const bf16*>(arguments.a) + matrix * arguments.a_batch;
  const bf16* b = static_cast<const bf16*>(arguments.b) + matrix * arguments.b_batch;
  const i64 begin = split * arguments.split_depth, end = min(begin + arguments.split_depth, arguments.k);
  float sum = 0;
  for (i64 step = begin; step < end; ++step) {
    const i64 k = arguments.backwards ? end - 1 - (step - begin) : step;
    sum += to_float(a[element(arguments.a_stride, arguments.a_transposed, row, k)]) *
           to_float(b[element(arguments.b_stride, arguments.b_transposed, k, column)]);
  }
  if (arguments.sums)
    arguments.sums[(split * arguments.batch + matrix) * arguments.m * arguments.n + at] = sum;
  else
    store(arguments, matrix, row, column, sum);
}

extern "C" __global__ void __launch_bounds__(kThreads)
    simulated_cublaslt_join(const __grid_constant__ ProductArguments arguments) {
  const i64 at = place(), matrix = blockIdx.y;
  if (at >= arguments.m * arguments.n) return;
  float sum = 0;
  for (i64 split = 0; split < arguments.splits; ++split)
    sum += arguments.sums[(split * arguments.batch + matrix) * arguments.m * arguments.n + at];
  store(arguments, matrix, at % arguments.m, at / arguments.m, sum);
}

}  // namespace simulated
