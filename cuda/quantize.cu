// Blocks to floats, a thread for each value; floats to blocks, a thread for each block, or for int8 a warp
// for each row. What a block holds, and how values are rounded to it, is in shared/blocks.h and
// shared/quantize.h.
#include "shared/quantize.h"

#include "kernel.h"
#ifdef __CUDACC__
#include "device/convert.cuh"
#include "device/failure.cuh"
#include "device/reduce.cuh"
#else
#include "quantize.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256, kRowThreads = 32;

struct DequantizeArguments {
  void* y;
  const uint8_t* x;
  const i32* rows;  // of x; null: all in turn
  i64 count, K, R, row_bytes;
  Failures failures;
};

struct QuantizeArguments {
  uint8_t* y;
  const void* x;
  i64 blocks;  // of y; of int8 the rows
  i64 K, row_bytes;
};

#ifdef __CUDACC__

template <class Blocks, class Y>
__device__ void dequantize(const DequantizeArguments& arguments) {
  const i64 i = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= arguments.count) return;
  i64 row = i / arguments.K;
  const i64 k = i % arguments.K;
  float value = 0;
  if (arguments.rows) {
    const i32 taken = arguments.rows[row];
    if (taken < -1 || taken >= arguments.R) {
      if (k == 0) check_index(arguments.failures, row, taken, arguments.R);
      value = NAN;
    }
    row = taken;
  }
  if (row >= 0 && row < arguments.R) {
    const uint8_t* from = arguments.x + row * arguments.row_bytes;
    value = __fmul_rn(Blocks::scale(from, arguments.K, k), static_cast<float>(Blocks::value(from, k)));
    if (Blocks::kHasMinimum) value = __fadd_rn(value, Blocks::minimum(from, k));
  }
  static_cast<Y*>(arguments.y)[i] = from_float<Y>(value);
}

template <class Blocks, class X>
__device__ void quantize(const QuantizeArguments& arguments) {
  const i64 block = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (block >= arguments.blocks) return;
  const X* x = static_cast<const X*>(arguments.x) + block * Blocks::kValues;
  quantize_block(Blocks{}, arguments.y + block * Blocks::kBytes, [&](int i) { return to_float(x[i]); });
}

template <class X>
__device__ void quantize_row(const QuantizeArguments& arguments) {
  const i64 K = arguments.K;
  const X* x = static_cast<const X*>(arguments.x) + blockIdx.x * K;
  uint8_t* y = arguments.y + blockIdx.x * arguments.row_bytes;
  uint32_t largest = 0;
  for (i64 k = threadIdx.x; k < K; k += kRowThreads) largest = max(largest, magnitude_bits(to_float(x[k])));
  largest = reduce_warp(largest, [](uint32_t a, uint32_t b) { return max(a, b); });
  const Int8Scale scale = Int8Scale::of(largest);
  const i64 padded = (K + 3) / 4 * 4;
  for (i64 k = threadIdx.x; k < padded; k += kRowThreads)
    y[k] = static_cast<uint8_t>(k < K ? scale.quantize(to_float(x[k])) : 0);
  if (threadIdx.x < 4)
    y[padded + threadIdx.x] = static_cast<uint8_t>(bits_of_float(scale.scale) >> 8 * threadIdx.x);
}

#define DEQUANTIZE(name, Blocks)                                                                         \
  KERNEL(dequantize_##name##_f32, DequantizeArguments, kThreads) { dequantize<Blocks, f32>(arguments); } \
  KERNEL(dequantize_##name##_bf16, DequantizeArguments, kThreads) { dequantize<Blocks, bf16>(arguments); }
DEQUANTIZE(int8, Int8Blocks)
DEQUANTIZE(q8_0, Q8_0Blocks)
DEQUANTIZE(q4_0, Q4_0Blocks)
DEQUANTIZE(q4_1, Q4_1Blocks)
DEQUANTIZE(q4_k, Q4KBlocks)
DEQUANTIZE(q6_k, Q6KBlocks)

#define QUANTIZE(name, Blocks)                                                                     \
  KERNEL(quantize_##name##_f32, QuantizeArguments, kThreads) { quantize<Blocks, f32>(arguments); } \
  KERNEL(quantize_##name##_bf16, QuantizeArguments, kThreads) { quantize<Blocks, bf16>(arguments); }
QUANTIZE(q8_0, Q8_0Blocks)
QUANTIZE(q4_0, Q4_0Blocks)
QUANTIZE(q4_1, Q4_1Blocks)
KERNEL(quantize_int8_f32, QuantizeArguments, kRowThreads) { quantize_row<f32>(arguments); }
KERNEL(quantize_int8_bf16, QuantizeArguments, kRowThreads) { quantize_row<bf16>(arguments); }

#else

#define BLOCK_KERNELS(variable, Arguments, threads)                                       \
  FLOAT_KERNELS(variable##_int8, Arguments, "quantize", #variable "_int8", threads##Int8) \
  FLOAT_KERNELS(variable##_q8_0, Arguments, "quantize", #variable "_q8_0", threads)       \
  FLOAT_KERNELS(variable##_q4_0, Arguments, "quantize", #variable "_q4_0", threads)       \
  FLOAT_KERNELS(variable##_q4_1, Arguments, "quantize", #variable "_q4_1", threads)
constexpr int kOfBlocks = kThreads, kOfBlocksInt8 = kRowThreads, kOfValues = kThreads,
              kOfValuesInt8 = kThreads;
BLOCK_KERNELS(quantize, QuantizeArguments, kOfBlocks)
BLOCK_KERNELS(dequantize, DequantizeArguments, kOfValues)
FLOAT_KERNELS(dequantize_q4_k, DequantizeArguments, "quantize", "dequantize_q4_k", kThreads)
FLOAT_KERNELS(dequantize_q6_k, DequantizeArguments, "quantize", "dequantize_q6_k", kThreads)

namespace {

const Kernel<DequantizeArguments>& dequantize_kernel(DType x, DType y) {
  switch (x) {
    case DType::int8:
      return dequantize_int8(y);
    case DType::q8_0:
      return dequantize_q8_0(y);
    case DType::q4_0:
      return dequantize_q4_0(y);
    case DType::q4_1:
      return dequantize_q4_1(y);
    case DType::q4_k:
      return dequantize_q4_k(y);
    default:
      return dequantize_q6_k(y);
  }
}

Status launch_dequantize(Context& context, const TensorView& y, const TensorView& x, const i32* rows,
                         Failures failures) {
  const i64 K = x.dim(-1);
  return launch(context, dequantize_kernel(x.dtype, y.dtype), {ceil_div(y.elements(), kThreads)},
                {y.data, static_cast<const uint8_t*>(x.data), rows, y.elements(), K, x.rows(),
                 row_bytes(x.dtype, K), failures});
}

}  // namespace

Status dequantize(Context& context, const TensorView& y, const TensorView& x) {
  return launch_dequantize(context, y, x, nullptr, {});
}

Status quantize(Context& context, const TensorView& y, const TensorView& x) {
  const i64 K = x.dim(-1);
  const bool is_int8 = y.dtype == DType::int8;
  const i64 blocks = is_int8 ? x.rows() : x.elements() / block_size(y.dtype).values;
  const QuantizeArguments arguments{static_cast<uint8_t*>(y.data), x.data, blocks, K, row_bytes(y.dtype, K)};
  if (is_int8) return launch(context, quantize_int8(x.dtype), {blocks}, arguments);
  const Grid grid{ceil_div(blocks, kThreads)};
  if (y.dtype == DType::q8_0) return launch(context, quantize_q8_0(x.dtype), grid, arguments);
  if (y.dtype == DType::q4_0) return launch(context, quantize_q4_0(x.dtype), grid, arguments);
  if (y.dtype == DType::q4_1) return launch(context, quantize_q4_1(x.dtype), grid, arguments);
  return fail("y must be f32, bf16, int8, q8_0, q4_0 or q4_1, received %s", dtype_name(y.dtype));
}

Status take_dequantized_rows(Context& context, const TensorView& y, const TensorView& x,
                             const TensorView& rows, const char* argument) {
  return launch_dequantize(context, y, x, static_cast<const i32*>(rows.data),
                           expect_indices(context, argument, x.dim(0)));
}

#endif

}  // namespace transfusion::cuda
