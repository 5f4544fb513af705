// gradient_norm: clip = norm of all gradients together, factor = min(1, max_norm / norm), 1 if the norm is
// finite. adamw (Loshchilov and Hutter 2019), with g = factor gradient and n = steps, this one counted by
// count_step:
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   p -= learning_rate (m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon) + weight_decay p)
//   rounded = p in bf16, where it is wanted
// in one pass over flat f32 arenas; nothing changes, n included, when the norm is not finite. The norm is cut
// by the number of gradients alone; its partial sums are joined in order, in f64.
#include "kernel.h"
#include "optimizers/square_sums.h"
#ifdef __CUDACC__
#include "device/reduce.cuh"
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;
constexpr int kRun = 4;  // f32 in 16 bytes

struct GradientNormArguments {
  double* partials;
  const f32* gradients;
  i64 count;
  bool aligned;
};

struct ClipArguments {
  f32* clip;
  const double* partials;
  int partial_count;
  f32 max_norm;
};

struct CountStepArguments {
  i32* steps;
  const f32* clip;
};

struct AdamwArguments {
  f32* parameters;
  bf16* rounded;  // or null
  f32 *first_moment, *second_moment;
  const f32 *gradients, *clip;
  const i32* steps;
  i64 count;
  f32 learning_rate, beta1, beta2, epsilon, weight_decay;
  bool aligned;
};

#ifdef __CUDACC__

KERNEL(gradient_norm, GradientNormArguments, kSquareThreads) {
  const double sum = sum_squares(arguments.count, arguments.aligned,
                                 [&](i64 i, auto access) { return access.load(arguments.gradients + i); });
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = sum;
}

KERNEL(gradient_clip, ClipArguments, kSquareThreads) {
  const double sum = join_squares(arguments.partials, arguments.partial_count);
  if (threadIdx.x > 0) return;
  const float norm = static_cast<float>(sqrt(sum));
  const bool finite = isfinite(norm);
  arguments.clip[0] = norm;
  arguments.clip[1] = !finite ? 0 : norm > arguments.max_norm ? arguments.max_norm / norm : 1;
  arguments.clip[2] = finite;
}

KERNEL(count_step, CountStepArguments, 1) { *arguments.steps += arguments.clip[2] != 0; }

// 1 / (1 - beta^n)
__device__ __forceinline__ float bias_correction(double beta, int n) {
  double power = 1;
  for (; n > 0; n /= 2, beta *= beta)
    if (n % 2 == 1) power *= beta;
  return static_cast<float>(1 / (1 - power));
}

KERNEL(adamw, AdamwArguments, kThreads) {
  if (arguments.clip[2] == 0) return;
  __shared__ float bias_corrections[2];
  if (threadIdx.x < 2)
    bias_corrections[threadIdx.x] =
        bias_correction(threadIdx.x == 0 ? arguments.beta1 : arguments.beta2, *arguments.steps);
  __syncthreads();
  const float factor = arguments.clip[1];
  const float bias_correction1 = bias_corrections[0], bias_correction2 = bias_corrections[1];
  const float beta1 = arguments.beta1, beta2 = arguments.beta2;
  for_each_vector_in_turn<kThreads, kRun>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    const auto g = access.load(arguments.gradients + i);
    auto p = access.load(arguments.parameters + i);
    auto m = access.load(arguments.first_moment + i), v = access.load(arguments.second_moment + i);
#pragma unroll
    for (int k = 0; k < access.kSize; ++k) {
      const float gradient = factor * g.values[k];
      m.values[k] = beta1 * m.values[k] + (1 - beta1) * gradient;
      v.values[k] = beta2 * v.values[k] + (1 - beta2) * (gradient * gradient);
      const float denominator = sqrtf(v.values[k] * bias_correction2) + arguments.epsilon;
      const float update =
          arguments.weight_decay * p.values[k] + m.values[k] * bias_correction1 / denominator;
      p.values[k] -= arguments.learning_rate * update;
    }
    access.store(arguments.first_moment + i, m);
    access.store(arguments.second_moment + i, v);
    access.store(arguments.parameters + i, p);
    if (arguments.rounded) access.store(arguments.rounded + i, p);
  });
}

#else

constexpr Kernel<GradientNormArguments> gradient_norm_kernel("optimizer", "gradient_norm", kSquareThreads);
constexpr Kernel<ClipArguments> gradient_clip_kernel("optimizer", "gradient_clip", kSquareThreads);
constexpr Kernel<CountStepArguments> count_step_kernel("optimizer", "count_step", 1);
constexpr Kernel<AdamwArguments> adamw_kernel("optimizer", "adamw", kThreads);

Status gradient_norm(Context& context, Out clip, In gradients, f32 max_norm) {
  const i64 count = gradients.elements(), blocks = square_blocks(count);
  double* partials = context.scratch<double>(blocks);
  const Status status = launch(context, gradient_norm_kernel, {blocks},
                               {partials, gradients.as<f32>(), count, aligned({gradients.data})});
  if (status.failed) return status;
  return launch(context, gradient_clip_kernel, {},
                {clip.as<f32>(), partials, static_cast<int>(blocks), max_norm});
}

Status count_step(Context& context, State steps, In clip) {
  return launch(context, count_step_kernel, {}, {steps.as<i32>(), clip.as<f32>()});
}

Status adamw(Context& context, State parameters, StateOut rounded, State first_moment, State second_moment,
             In gradients, In clip, In steps, f32 learning_rate, f32 beta1, f32 beta2, f32 epsilon,
             f32 weight_decay) {
  const i64 count = parameters.elements();
  const bool vectors =
      aligned({parameters.data, rounded.data, first_moment.data, second_moment.data, gradients.data});
  return launch(context, adamw_kernel, {resident_blocks(context, ceil_div(count, kThreads * kRun))},
                {parameters.as<f32>(), rounded.as<bf16>(), first_moment.as<f32>(), second_moment.as<f32>(),
                 gradients.as<f32>(), clip.as<f32>(), steps.as<i32>(), count, learning_rate, beta1, beta2,
                 epsilon, weight_decay, vectors});
}

#endif

}  // namespace transfusion::cuda
