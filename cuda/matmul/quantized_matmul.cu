// y [M, N] = x [M, K] w [N, K]^T + bias [N], w of a block dtype; the formula is that of the CPU's
// quantized_matmul.cc. Rows of x are rounded to int8 first, a warp for each. Then a warp has one column of y
// and kRows rows: its lanes take four values of w's row each, 8 lanes a group of 32, so that a group's sum is
// exact; the sums of groups are joined in f32, at last over lanes. Simple: w is unpacked value by value.
#include "shared/quantize.h"

#include "kernel.h"
#ifdef __CUDACC__
#include "device/convert.cuh"
#include "device/reduce.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kLanes = 32, kWarps = 8, kThreads = kLanes * kWarps, kRows = 4;

struct RoundRowsArguments {
  const void* x;
  int8_t* values;  // [M, groups, 32]
  f32* scales;     // [M, groups]
  i64 total;       // M groups
  i64 K, groups;
};

struct QuantizedArguments {
  void* y;
  const uint8_t* w;
  const void* bias;
  const int8_t* values;
  const f32* scales;
  i64 M, N, K, groups, row_bytes;
};

#ifdef __CUDACC__

// A warp for each group, a lane for each value.
template <class X>
__device__ void round_rows(const RoundRowsArguments& arguments) {
  const i64 group = (static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x) / kLanes;
  if (group >= arguments.total) return;
  const int lane = threadIdx.x % kLanes;
  const i64 row = group / arguments.groups, k = group % arguments.groups * kQuantGroup + lane;
  const float x = k < arguments.K ? to_float(static_cast<const X*>(arguments.x)[row * arguments.K + k]) : 0;
  const uint32_t largest = reduce_warp(magnitude_bits(x), [](uint32_t a, uint32_t b) { return max(a, b); });
  const Int8Scale scale = Int8Scale::of(largest);
  arguments.values[group * kQuantGroup + lane] = static_cast<int8_t>(scale.quantize(x));
  if (lane == 0) arguments.scales[group] = scale.scale;
}

KERNEL(round_rows_f32, RoundRowsArguments, kThreads) { round_rows<f32>(arguments); }
KERNEL(round_rows_bf16, RoundRowsArguments, kThreads) { round_rows<bf16>(arguments); }

// The sum over the lanes that share `width` lanes, a power of two.
__device__ __forceinline__ int reduce_lanes(int value, int width) {
  for (int distance = width / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

template <class Blocks, class Y, class X>
__device__ void multiply(const QuantizedArguments& arguments) {
  constexpr bool kOneScale = Blocks::kDType == DType::int8;
  constexpr int kPart = static_cast<int>(Blocks::kScaleValues) / 4;  // lanes that share a scale
  const i64 n = static_cast<i64>(blockIdx.x) * kWarps + threadIdx.x / kLanes;
  if (n >= arguments.N) return;
  const int lane = threadIdx.x % kLanes;
  const i64 first = static_cast<i64>(blockIdx.y) * kRows, K = arguments.K, groups = arguments.groups;
  const uint8_t* row = arguments.w + n * arguments.row_bytes;
  float totals[kRows] = {};
  for (i64 begin = 0; begin < groups * kQuantGroup; begin += 4 * kLanes) {
    const i64 k = begin + 4 * lane, group = k / kQuantGroup;
    const bool inside = group < groups;
    uint32_t word = 0;
    float scale = 0, minimum = 0;
    if (inside && k < K) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (k + i < K) word |= static_cast<uint32_t>(Blocks::value(row, k + i) & 255) << 8 * i;
      if (!kOneScale) scale = Blocks::scale(row, K, k);
      if (Blocks::kHasMinimum) minimum = Blocks::minimum(row, k);
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const i64 m = first + r;
      if (m >= arguments.M) break;
      const i64 at = m * groups + group;
      const int x =
          inside ? reinterpret_cast<const int*>(arguments.values)[(m * groups * kQuantGroup + k) / 4] : 0;
      const int sum = reduce_lanes(__dp4a(x, static_cast<int>(word), 0), kPart);
      const int of_x = Blocks::kHasMinimum ? reduce_lanes(__dp4a(x, 0x01010101, 0), 8) : 0;
      const float d = inside ? arguments.scales[at] : 0;
      if (!inside) continue;
      if (lane % kPart == 0)
        totals[r] =
            __fadd_rn(totals[r], __fmul_rn(static_cast<float>(sum), kOneScale ? d : __fmul_rn(d, scale)));
      if (Blocks::kHasMinimum && lane % 8 == 0)
        totals[r] = __fadd_rn(totals[r], __fmul_rn(minimum, __fmul_rn(d, static_cast<float>(of_x))));
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const i64 m = first + r;
    if (m >= arguments.M) break;
    float total = reduce_warp(totals[r], Sum());
    if (lane != 0) continue;
    if (kOneScale && K > 0) total = __fmul_rn(total, Blocks::scale(row, K, 0));
    if (arguments.bias) total += to_float(static_cast<const X*>(arguments.bias)[n]);
    static_cast<Y*>(arguments.y)[m * arguments.N + n] = from_float<Y>(total);
  }
}

#define MULTIPLY(name, Blocks)                                                                               \
  KERNEL(multiply_##name##_f32_f32, QuantizedArguments, kThreads) { multiply<Blocks, f32, f32>(arguments); } \
  KERNEL(multiply_##name##_f32_bf16, QuantizedArguments, kThreads) {                                         \
    multiply<Blocks, f32, bf16>(arguments);                                                                  \
  }                                                                                                          \
  KERNEL(multiply_##name##_bf16_bf16, QuantizedArguments, kThreads) {                                        \
    multiply<Blocks, bf16, bf16>(arguments);                                                                 \
  }
MULTIPLY(int8, Int8Blocks)
MULTIPLY(q8_0, Q8_0Blocks)
MULTIPLY(q4_0, Q4_0Blocks)
MULTIPLY(q4_1, Q4_1Blocks)
MULTIPLY(q4_k, Q4KBlocks)
MULTIPLY(q6_k, Q6KBlocks)

#else

FLOAT_KERNELS(round_rows, RoundRowsArguments, "quantized_matmul", "round_rows", kThreads)

#define MULTIPLY(name)                                                                                      \
  constexpr Kernel<QuantizedArguments> name##_f32_f32("quantized_matmul", "multiply_" #name "_f32_f32",     \
                                                      kThreads);                                            \
  constexpr Kernel<QuantizedArguments> name##_f32_bf16("quantized_matmul", "multiply_" #name "_f32_bf16",   \
                                                       kThreads);                                           \
  constexpr Kernel<QuantizedArguments> name##_bf16_bf16("quantized_matmul", "multiply_" #name "_bf16_bf16", \
                                                        kThreads);                                          \
  static const Kernel<QuantizedArguments>& name(DType y, DType x) {                                         \
    return y == DType::bf16 ? name##_bf16_bf16 : x == DType::bf16 ? name##_f32_bf16 : name##_f32_f32;       \
  }
MULTIPLY(int8)
MULTIPLY(q8_0)
MULTIPLY(q4_0)
MULTIPLY(q4_1)
MULTIPLY(q4_k)
MULTIPLY(q6_k)

namespace {

const Kernel<QuantizedArguments>& multiply_kernel(DType w, DType y, DType x) {
  switch (w) {
    case DType::int8:
      return int8(y, x);
    case DType::q8_0:
      return q8_0(y, x);
    case DType::q4_0:
      return q4_0(y, x);
    case DType::q4_1:
      return q4_1(y, x);
    case DType::q4_k:
      return q4_k(y, x);
    default:
      return q6_k(y, x);
  }
}

}  // namespace

Status quantized_matmul(Context& context, Out y, In x, InAny w, InOptional bias) {
  const i64 M = x.dim(0), K = x.dim(1), N = w.dim(0), groups = ceil_div(K, kQuantGroup);
  int8_t* values = context.scratch<int8_t>(M * groups * kQuantGroup);
  f32* scales = context.scratch<f32>(M * groups);
  if (const Status status = launch(context, round_rows(x.dtype), {ceil_div(M * groups, kWarps)},
                                   {x.data, values, scales, M * groups, K, groups});
      status.failed)
    return status;
  return launch(context, multiply_kernel(w.dtype, y.dtype, x.dtype),
                {ceil_div(N, kWarps), ceil_div(M, kRows)},
                {y.data, w.as<uint8_t>(), bias.data, values, scales, M, N, K, groups, row_bytes(w.dtype, K)});
}

#endif

}  // namespace transfusion::cuda
