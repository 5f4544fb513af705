// code_usage: of counts [K], used = how many are at least `least`; perplexity = exp(-sum p log p), p = counts
// / their sum, 0 of no counts: one block, a pass for the sum and one for the entropy. restart_codes: counts
// steps since codes were used, and draws a row for those that were not for long: a thread for a code.
// replace_rows: y[i] = x[rows[i]]: a thread for an element. No derivatives.
#include "kernel.h"
#include "shared/philox.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#include "device/reduce.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kUsageThreads = 1024, kThreads = 256;

struct CodeUsageArguments {
  f32 *used, *perplexity;
  const f32* counts;
  i64 K;
  f32 least;
};

struct RestartCodesArguments {
  i32* unused;
  f32* recent;
  i32* rows;
  const f32 *counts, *taken;
  const void* seeds;
  i64 K, candidates, restart_after;
  f32 decay;
};

struct ReplaceRowsArguments {
  f32* y;
  const f32* x;
  const i32* rows;
  i64 elements, C, T;
  Failures failures;
};

#ifdef __CUDACC__

KERNEL(code_usage, CodeUsageArguments, kUsageThreads) {
  const f32* counts = arguments.counts;
  float sums[2] = {};  // counts, codes
  for (i64 k = threadIdx.x; k < arguments.K; k += kUsageThreads) {
    sums[0] += counts[k];
    sums[1] += counts[k] >= arguments.least ? 1 : 0 * counts[k];  // a NaN stays a NaN
  }
  reduce_block<kUsageThreads>(sums, Sum());
  const float total = sums[0];
  float entropy = 0;
  for (i64 k = threadIdx.x; k < arguments.K; k += kUsageThreads) {
    const float p = counts[k] / total;
    if (counts[k] != 0) entropy -= p * logf(p);
  }
  entropy = reduce_block<kUsageThreads>(entropy, Sum());
  if (threadIdx.x != 0) return;
  *arguments.used = sums[1];
  *arguments.perplexity = total == 0 ? 0 : expf(entropy);
}

KERNEL(restart_codes, RestartCodesArguments, kThreads) {
  const i64 k = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (k >= arguments.K) return;
  i32 row = -1;
  if (*arguments.taken != 0) {
    const float count = arguments.counts[k];
    i32 steps = arguments.unused[k];
    steps = count > 0 ? 0 : steps + (steps < INT32_MAX);
    arguments.recent[k] = arguments.decay * arguments.recent[k] + count;
    if (steps >= arguments.restart_after && arguments.candidates > 0) {
      row = drawn_index(Seed::of(arguments.seeds, 0), k, arguments.candidates);
      steps = 0;
    }
    arguments.unused[k] = steps;
  }
  arguments.rows[k] = row;
}

KERNEL(replace_rows, ReplaceRowsArguments, kThreads) {
  const i64 element = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (element >= arguments.elements) return;
  const i64 i = element / arguments.C, column = element % arguments.C;
  const i32 row = arguments.rows[i];
  if (check_index(arguments.failures, i, row, arguments.T) && row >= 0)
    arguments.y[element] = arguments.x[row * arguments.C + column];
}

#else

constexpr Kernel<CodeUsageArguments> code_usage_kernel("codebook", "code_usage", kUsageThreads);
constexpr Kernel<RestartCodesArguments> restart_codes_kernel("codebook", "restart_codes", kThreads);
constexpr Kernel<ReplaceRowsArguments> replace_rows_kernel("codebook", "replace_rows", kThreads);

Status code_usage(Context& context, Out used, Out perplexity, In counts, f32 least) {
  return launch(context, code_usage_kernel, {},
                {used.as<f32>(), perplexity.as<f32>(), counts.as<f32>(), counts.elements(), least});
}

Status restart_codes(Context& context, State unused, State recent, Out rows, In counts, In taken, In seeds,
                     i64 candidates, i64 restart_after, f32 decay) {
  const i64 K = counts.elements();
  return launch(context, restart_codes_kernel, {ceil_div(K, kThreads)},
                {unused.as<i32>(), recent.as<f32>(), rows.as<i32>(), counts.as<f32>(), taken.as<f32>(),
                 seeds.data, K, candidates, restart_after, decay});
}

Status replace_rows(Context& context, State y, In x, In rows) {
  const i64 elements = y.elements();
  return launch(context, replace_rows_kernel, {ceil_div(elements, kThreads)},
                {y.as<f32>(), x.as<f32>(), rows.as<i32>(), elements, y.dim(-1), x.dim(0),
                 expect_indices(context, "rows", x.dim(0))});
}

#endif

}  // namespace transfusion::cuda
