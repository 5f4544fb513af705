// argmax: the largest logit's id, of equals the lowest. A warp or a block for a row.
// sample_tokens: ids drawn with probability proportional to exp((logits + bias) / temperature) among the
// top_k most probable, of these the fewest that hold top_p of the probability and, of these, the ones at
// least min_p times as probable as the most probable; temperature 0 is argmax. A row's draw is a function of
// its seed (shared/philox.h) and its logits alone; weights and draws are those of the CPU's, whose sums are
// in f64. A block for a row, which is read once: weights lie in shared memory, where they fit.
#include "kernel.h"
#include "row_threads.h"
#include "shared/token_failures.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#include "device/row_tile.cuh"
#include "device/token_ranking.cuh"
#include "shared/philox.h"
#else
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

// Few tokens leave most threads of a large block without one.
constexpr int kFewThreads = 32, kManyThreads = 1024;
constexpr int kTokenRun = 4;  // tokens that a thread reads at a time

// What is reported, as arguments: an option of a row, at index 4 row + option, or why a row has no token.
constexpr int kOptions = 4, kOptionFailure = 0, kTokenFailure = 1;

struct ArgmaxArguments {
  i32* ids;
  const void* logits;
  i64 rows, columns;
  bool vectors;
  Failures failures;
};

struct SampleArguments {
  i32* ids;
  const void* logits;
  const f32 *bias, *temperature, *top_p, *min_p;  // bias may be null
  const i32* top_k;
  const void* seeds;
  f32* weights;  // [rows, stride], of rows that are too long for shared memory
  i64 columns, stride;
  bool vectors;
  Failures failures;
};

#ifdef __CUDACC__

extern __shared__ __align__(16) char dynamic_shared[];

struct Min {
  static constexpr int kNeutral = INT32_MAX;
  __device__ __forceinline__ int operator()(int a, int b) const { return a < b ? a : b; }
};

__device__ __forceinline__ bool is_usable(float peak) { return peak < INFINITY; }

template <class T, class Rows>
__device__ void argmax(const ArgmaxArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 V = arguments.columns, row = first_row<Rows>();
  if (row >= arguments.rows) return;
  float largest = -INFINITY;
  int id = INT32_MAX;
  for (i64 first = 0; first < V; first += Rows::kColumns) {
    Tile x;
    x.load(static_cast<const T*>(arguments.logits) + row * V, first, V, arguments.vectors, -INFINITY);
    Tile::for_each([&](int run, int i) {
      const float before = largest;
      largest = Max()(largest, x.values[run][i]);
      if (before != largest) id = static_cast<int>(first) + Tile::column(run) + i;
    });
  }
  const float peak = reduce_row<Rows>(largest, Max());
  id = reduce_block<Rows::kThreads>(largest == peak ? id : INT32_MAX, Min());
  if (!leads_row<Rows>()) return;
  if (!is_usable(peak)) report_failure(arguments.failures, kTokenFailure, row, kNotFinite);
  // Of -infinity alone none is larger than another.
  arguments.ids[row] = !is_usable(peak) ? -1 : id == INT32_MAX ? 0 : id;
}

// The CPU's exponential (cpu/simd/math.h), to the bit: e^x of x up to 0, and 0 below -87.
__device__ __forceinline__ float weight_of(float x) {
  if (!(x >= -87.0f)) return 0;
  const float sum = fmaf(x, 1.44269504f, 0x1.8p23f + 127), n = sum - (0x1.8p23f + 127);
  // ln 2 in two parts, of which the first times n is exact.
  const float r = fmaf(-n, 1.42860677e-6f, fmaf(-n, 0.693145752f, x)), square = r * r;
  const float low = fmaf(square, fmaf(r, 0.00833336077f, 0.0416664854f), fmaf(r, 0.166666672f, 0.5f));
  const float high = fmaf(r, 0.000198527618f, 0.00139304355f);
  const float y = fmaf(fmaf(square * square, high, low), square, r) + 1.0f;
  return y * __int_as_float(__float_as_int(sum) << 23);
}

// Uniform in [0, 1), 53 bits: the first two words of the seed's stream.
__device__ __forceinline__ double draw_uniform(const Seed& seed) {
  const PhiloxBlock block = philox_block(seed, 0);
  return ((block.words[0] >> 5) * 0x1p26 + (block.words[1] >> 6)) * 0x1p-53;
}

// Reports the first option of a row that is out of range.
__device__ __forceinline__ bool check_options(const SampleArguments& arguments, i64 row, float temperature,
                                              int top_k, float top_p, float min_p) {
  const auto check = [&](bool right, TokenOption option, int bits) {
    if (!right && threadIdx.x == 0)
      report_failure(arguments.failures, kOptionFailure, kOptions * row + static_cast<int>(option), bits);
    return right;
  };
  return check(temperature >= 0 && isfinite(temperature), TokenOption::temperature,
               __float_as_int(temperature)) &&
         check(top_k >= 0, TokenOption::top_k, top_k) &&
         check(top_p > 0 && top_p <= 1, TokenOption::top_p, __float_as_int(top_p)) &&
         check(min_p >= 0 && min_p <= 1, TokenOption::min_p, __float_as_int(min_p));
}

template <class T, int kThreads, bool kInShared = true>
__device__ void sample(const SampleArguments& arguments) {
  using Weights = TokenWeights<kThreads>;
  const i64 V = arguments.columns, row = blockIdx.x;
  i32& target = arguments.ids[row];
  const float temperature = arguments.temperature[row], top_p = arguments.top_p[row];
  const float min_p = arguments.min_p[row];
  const int top_k = arguments.top_k[row];
  if (!check_options(arguments, row, temperature, top_k, top_p, min_p)) {
    if (threadIdx.x == 0) target = -1;
    return;
  }

  __shared__ typename Weights::Shared shared;
  f32* row_weights = reinterpret_cast<f32*>(dynamic_shared);
  if constexpr (!kInShared) row_weights = arguments.weights + row * arguments.stride;
  const Weights weights(shared, row_weights, arguments.stride);
  float peak = -INFINITY;
  weights.for_each([&](int id, float* run) {
    float values[kTokenRun], bias[kTokenRun] = {};
    load_run(values, static_cast<const T*>(arguments.logits) + row * V + id, V - id, arguments.vectors,
             -INFINITY);
    if (arguments.bias) load_run(bias, arguments.bias + id, V - id, arguments.vectors);
#pragma unroll
    for (int i = 0; i < kTokenRun; ++i) {
      values[i] += bias[i];
      peak = Max()(peak, values[i]);
    }
    Weights::store(run, values);
  });
  peak = reduce_block<kThreads>(peak, Max());
  if (!is_usable(peak) || peak == -INFINITY) {
    if (threadIdx.x > 0) return;
    report_failure(arguments.failures, kTokenFailure, row, is_usable(peak) ? kNoToken : kNotFinite);
    target = -1;
    return;
  }

  // Weights take the place of logits; the most probable token's is 1. At temperature 0 no other token has
  // any.
  const bool all = top_k == 0 && top_p == 1;
  weights.for_each([&](int, float* run) {
    float values[kTokenRun];
    Weights::load(values, run);
#pragma unroll
    for (float& value : values) {
      value = temperature == 0 ? value == peak : weight_of((value - peak) / temperature);
      if (all && value < min_p) value = 0;
    }
    Weights::store(run, values);
  });
  __syncthreads();
  const auto write = [&](int id) { target = id; };
  const auto one = [](float) { return u64{1}; };
  const auto amount = [&](float weight) { return weights.amount(weight); };
  if (temperature == 0) return weights.find_in_order(0, one, write);

  u64 mass = weights.sum(amount);
  // Where among the tokens of a key's weight, counted from 0, the running sum passes the target.
  const auto rank_at = [&](const RankedKey& ranked, u64 target) {
    return (target - ranked.before) / amount(Weights::weight(ranked.key));
  };
  if (top_k > 0 && static_cast<u64>(top_k) < weights.sum(one)) {
    const RankedKey last = weights.find_in_rank(top_k - 1, one);
    const float least = Weights::weight(last.key);
    mass = weights.sum([&](float weight) { return weight > least ? amount(weight) : 0; }) +
           (top_k - last.before) * amount(least);
  }
  if (top_p < 1) {
    const double share = static_cast<double>(top_p) * static_cast<double>(mass);
    const u64 reached = min(mass - 1, static_cast<u64>(ceil(share)) - 1);
    const RankedKey last = weights.find_in_rank(reached, amount);
    mass = last.before + (rank_at(last, reached) + 1) * amount(Weights::weight(last.key));
  }
  // Less than the mass of those that are kept only where some of them are not likely enough.
  if (!all && min_p > 0)
    mass = min(mass, weights.sum([&](float weight) { return weight >= min_p ? amount(weight) : 0; }));

  const u64 drawn = min(
      mass - 1, static_cast<u64>(draw_uniform(Seed::of(arguments.seeds, row)) * static_cast<double>(mass)));
  if (all) return weights.find_in_order(drawn, amount, write);
  const RankedKey token = weights.find_in_rank(drawn, amount);
  weights.find_in_order(
      rank_at(token, drawn), [&](float weight) { return Weights::key(weight) == token.key ? u64{1} : 0; },
      write);
}

ROW_KERNELS(argmax, ArgmaxArguments)
KERNEL(sample_few_f32, SampleArguments, kFewThreads) { sample<f32, kFewThreads>(arguments); }
KERNEL(sample_few_bf16, SampleArguments, kFewThreads) { sample<bf16, kFewThreads>(arguments); }
KERNEL(sample_many_f32, SampleArguments, kManyThreads, 1) { sample<f32, kManyThreads>(arguments); }
KERNEL(sample_many_bf16, SampleArguments, kManyThreads, 1) { sample<bf16, kManyThreads>(arguments); }
KERNEL(sample_long_f32, SampleArguments, kManyThreads, 1) { sample<f32, kManyThreads, false>(arguments); }
KERNEL(sample_long_bf16, SampleArguments, kManyThreads, 1) { sample<bf16, kManyThreads, false>(arguments); }

#else

namespace {

Status describe(const FailureRecord& record) {
  const i64 row = record.index();
  if (record.argument() == kTokenFailure) return fail_token(row, record.value());
  return fail_token_option(row / kOptions, static_cast<TokenOption>(row % kOptions), record.value());
}

}  // namespace

ROW_KERNELS(argmax_kernel, ArgmaxArguments, "sampling", "argmax")
FLOAT_KERNELS(sample_few, SampleArguments, "sampling", "sample_few", kFewThreads)
FLOAT_KERNELS(sample_many, SampleArguments, "sampling", "sample_many", kManyThreads)
// Of rows whose weights shared memory does not hold.
FLOAT_KERNELS(sample_long, SampleArguments, "sampling", "sample_long", kManyThreads)

Status argmax(Context& context, Out ids, In logits) {
  const i64 rows = logits.rows(), V = logits.dim(-1);
  return launch(context, argmax_kernel(logits.dtype, V), {row_blocks(rows, V)},
                {ids.as<i32>(), logits.data, rows, V, aligned_rows({logits.data}, V, logits.dtype),
                 expect_failures(context, describe)});
}

Status sample_tokens(Context& context, Out ids, In logits, InOptional bias, In temperature, In top_k,
                     In top_p, In min_p, In seeds) {
  // More than a block needs of shared memory besides weights: for the counts of digits, most of all.
  constexpr size_t kCountBytes = 10 << 10;
  const i64 rows = logits.rows(), V = logits.dim(-1);
  const bool few = V <= kManyThreads;
  const i64 step = kTokenRun * i64{few ? kFewThreads : kManyThreads}, stride = ceil_div(V, step) * step;
  const size_t row_bytes = static_cast<size_t>(stride) * sizeof(f32);
  const bool fits = row_bytes + kCountBytes <= limits(context).shared_memory;
  return launch(
      context,
      (few    ? sample_few
       : fits ? sample_many
              : sample_long)(logits.dtype),
      {rows},
      {ids.as<i32>(), logits.data, bias.as<f32>(), temperature.as<f32>(), top_p.as<f32>(), min_p.as<f32>(),
       top_k.as<i32>(), seeds.data, fits ? nullptr : context.scratch<f32>(rows * stride), V, stride,
       aligned({logits.data, bias.data}) && V % kTokenRun == 0, expect_failures(context, describe)},
      fits ? row_bytes : 0);
}

#endif

}  // namespace transfusion::cuda
