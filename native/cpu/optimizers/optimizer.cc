// gradient_norm: clip = norm of all gradients together, factor = min(1, max_norm / norm), 1 if the norm is
// finite. adamw (Loshchilov and Hutter 2019), with g = factor gradient and n = steps, this one counted by
// count_step:
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   p -= learning_rate (m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon) + weight_decay p)
//   rounded = p in bf16, where it is wanted
// in one pass over flat f32 arenas; nothing changes, n included, when the norm is not finite. Parallel over
// fixed chunks; the norm's partial sums are joined in order, in f64.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizers/optimizer.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr i64 kChunk = 16384;
constexpr i64 kBlock = 1024;  // summed in f32

Status GradientNorm(Context& context, Out clip, In gradients, f32 max_norm) {
  const i64 n = gradients.elements();
  double* partials = context.scratch<double>(ceil_div(n, kChunk));
  parallel_for(n, kChunk, [&](i64 begin, i64 end) HWY_ATTR {
    double partial = 0;
    for (i64 block = begin; block < end; block += kBlock) {
      Vec squares = zero();
      for_each(std::min(kBlock, end - block), [&](i64 i, auto io) HWY_ATTR {
        const Vec g = io.load(gradients.as<float>() + block + i);
        squares = hn::MulAdd(g, g, squares);
      });
      partial += sum_of(squares);
    }
    partials[begin / kChunk] = partial;
  });
  double sum = 0;
  for (i64 chunk = 0; chunk < ceil_div(n, kChunk); ++chunk) sum += partials[chunk];
  const float norm = static_cast<float>(std::sqrt(sum));
  const bool finite = std::isfinite(norm);
  clip.as<float>()[0] = norm;
  clip.as<float>()[1] = !finite ? 0.0f : norm > max_norm ? max_norm / norm : 1.0f;
  clip.as<float>()[2] = finite ? 1.0f : 0.0f;
  return ok();
}

Status Adamw(Context&, State parameters, StateOut rounded, State first_moment, State second_moment,
             In gradients, In clip, In steps, f32 learning_rate, f32 beta1, f32 beta2, f32 epsilon,
             f32 weight_decay) {
  if (clip.as<float>()[2] == 0) return ok();
  const Vec factor = set(clip.as<float>()[1]);
  const Vec beta1_vec = set(beta1), one_minus_beta1 = set(1 - beta1);
  const Vec beta2_vec = set(beta2), one_minus_beta2 = set(1 - beta2);
  const Vec learning_rate_vec = set(learning_rate), weight_decay_vec = set(weight_decay);
  const Vec epsilon_vec = set(epsilon);
  const i32 step = *steps.as<i32>();
  // As factors, 1 / (1 - beta^n).
  const auto bias_correction = [&](f32 beta) {
    return set(static_cast<float>(1 / (1 - std::pow(static_cast<double>(beta), step))));
  };
  const Vec bias_correction1 = bias_correction(beta1), bias_correction2 = bias_correction(beta2);
  parallel_for(parameters.elements(), kChunk, [&](i64 begin, i64 end) HWY_ATTR {
    const float* gradient = gradients.as<float>() + begin;
    float *parameter = parameters.as<float>() + begin, *first = first_moment.as<float>() + begin,
          *second = second_moment.as<float>() + begin;
    bf16* rounded_parameter = rounded.present() ? rounded.as<bf16>() + begin : nullptr;
    for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
      const Vec g = hn::Mul(factor, io.load(gradient + i)), p = io.load(parameter + i);
      const Vec m = hn::MulAdd(beta1_vec, io.load(first + i), hn::Mul(one_minus_beta1, g));
      const Vec v = hn::MulAdd(beta2_vec, io.load(second + i), hn::Mul(one_minus_beta2, hn::Mul(g, g)));
      const Vec denominator = hn::Add(hn::Sqrt(hn::Mul(v, bias_correction2)), epsilon_vec);
      const Vec update = hn::MulAdd(weight_decay_vec, p, hn::Div(hn::Mul(m, bias_correction1), denominator));
      io.store(m, first + i);
      io.store(v, second + i);
      const Vec updated = hn::NegMulAdd(learning_rate_vec, update, p);
      io.store(updated, parameter + i);
      if (rounded_parameter) io.store(updated, rounded_parameter + i);
    });
  });
  return ok();
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(GradientNorm);
HWY_EXPORT(Adamw);

Status gradient_norm(Context& context, Out clip, In gradients, f32 max_norm) {
  return HWY_DYNAMIC_DISPATCH(GradientNorm)(context, clip, gradients, max_norm);
}

Status adamw(Context& context, State parameters, StateOut rounded, State first_moment, State second_moment,
             In gradients, In clip, In steps, f32 learning_rate, f32 beta1, f32 beta2, f32 epsilon,
             f32 weight_decay) {
  return HWY_DYNAMIC_DISPATCH(Adamw)(context, parameters, rounded, first_moment, second_moment, gradients,
                                     clip, steps, learning_rate, beta1, beta2, epsilon, weight_decay);
}

Status count_step(Context&, State steps, In clip) {
  *steps.as<i32>() += clip.as<float>()[2] != 0;
  return ok();
}

}  // namespace transfusion::cpu
#endif
