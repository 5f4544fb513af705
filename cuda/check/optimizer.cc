#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

constexpr i64 kCount = 5003;
constexpr double kRate = 0.01, kBeta1 = 0.9, kBeta2 = 0.95, kEpsilon = 1e-8, kDecay = 0.1, kMaxNorm = 1;

// Where `gradient` is not finite nothing changes.
void check_adamw(Run& run, double gradient) {
  Values gradients = run.random({kCount}, DType::f32);
  if (!std::isfinite(gradient)) gradients[kCount / 2] = gradient;
  const Values parameters = run.random({kCount}, DType::f32), zero = Run::zeros({kCount});
  const Values none = Run::zeros({1}, DType::i32);
  const Out clip = run.out({3}, DType::f32);
  const State values = run.state(parameters), first = run.state(zero), second = run.state(zero);
  const State steps = run.state(none);
  const In gradient_view = run.in(gradients);
  run.call(run.kernels().gradient_norm, clip, gradient_view, static_cast<f32>(kMaxNorm));
  In clips, counted;
  static_cast<TensorView&>(clips) = clip;
  static_cast<TensorView&>(counted) = steps;
  run.call(run.kernels().count_step, steps, clips);
  run.call(run.kernels().adamw, values, first, second, gradient_view, clips, counted, static_cast<f32>(kRate),
           static_cast<f32>(kBeta1), static_cast<f32>(kBeta2), static_cast<f32>(kEpsilon),
           static_cast<f32>(kDecay));
  if (!std::isfinite(gradient)) {
    run.expect(values, parameters.data, Tolerance::exact);
    run.expect(steps, {0}, Tolerance::exact);
    return;
  }
  double squares = 0;
  for (const double value : gradients.data) squares += value * value;
  const double norm = std::sqrt(squares), factor = norm > kMaxNorm ? kMaxNorm / norm : 1;
  run.expect(clip, {norm, factor, 1}, Tolerance::reduction);
  std::vector<double> expected = parameters.data;
  for (i64 i = 0; i < kCount; ++i) {
    // After one step the corrected moments are the gradient and its square.
    const double g = gradients[i] * factor;
    expected[i] -= kRate * (g / (std::abs(g) + kEpsilon) + kDecay * expected[i]);
  }
  run.expect(values, expected, Tolerance::reduction);
}

}  // namespace

void add_optimizer_cases(std::vector<Case>& cases) {
  cases.push_back({"gradient_norm, count_step, adamw", [](Run& run) { check_adamw(run, 0); }});
  cases.push_back({"adamw of a gradient that is NaN", [](Run& run) { check_adamw(run, NAN); }});
  cases.push_back({"ema [5003]", [](Run& run) {
                     const Values average = run.random({kCount}, DType::f32),
                                  values = run.random({kCount}, DType::f32);
                     const Values none = Run::zeros({1}, DType::i32);
                     const State averages = run.state(average), updates = run.state(none);
                     run.call(run.kernels().ema, averages, updates, run.in(values), 0.f);
                     // With a decay of 0 the average is what was seen last.
                     run.expect(averages, values.data, Tolerance::elementwise);
                   }});
}

}  // namespace transfusion::check
