#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

constexpr double kRate = 0.01, kBeta1 = 0.9, kBeta2 = 0.95, kEpsilon = 1e-8, kDecay = 0.1, kMaxNorm = 1;

// Where `gradient` is not finite nothing changes. `rounds`: parameters are written in bf16, too.
void check_adamw(Run& run, i64 count, double gradient, bool rounds) {
  Values gradients = run.random({count}, DType::f32);
  if (!std::isfinite(gradient)) gradients[count / 2] = gradient;
  const Values parameters = run.random({count}, DType::f32), zero = Run::zeros({count});
  const Values none = Run::zeros({1}, DType::i32);
  const Out clip = run.out({3}, DType::f32);
  const State values = run.state(parameters), first = run.state(zero), second = run.state(zero);
  const State steps = run.state(none);
  const Values stale = run.random({count}, DType::bf16);
  const StateOut rounded = rounds ? run.state_out(stale) : StateOut{};
  const In gradient_view = run.in(gradients);
  run.call(run.kernels().gradient_norm, clip, gradient_view, static_cast<f32>(kMaxNorm));
  const In clips = as_in(clip), counted = as_in(steps);
  run.call(run.kernels().count_step, steps, clips);
  run.call(run.kernels().adamw, values, rounded, first, second, gradient_view, clips, counted,
           static_cast<f32>(kRate), static_cast<f32>(kBeta1), static_cast<f32>(kBeta2),
           static_cast<f32>(kEpsilon), static_cast<f32>(kDecay));
  if (!std::isfinite(gradient)) {
    run.expect(values, parameters.data, Tolerance::exact);
    if (rounds) run.expect(rounded, stale.data, Tolerance::exact);
    run.expect(steps, {0}, Tolerance::exact);
    return;
  }
  double squares = 0;
  for (const double value : gradients.data) squares += value * value;
  const double norm = std::sqrt(squares), factor = norm > kMaxNorm ? kMaxNorm / norm : 1;
  run.expect(clip, {norm, factor, 1}, Tolerance::reduction);
  std::vector<double> expected = parameters.data;
  for (i64 i = 0; i < count; ++i) {
    // After one step the corrected moments are the gradient and its square.
    const double g = gradients[i] * factor;
    expected[i] -= kRate * (g / (std::abs(g) + kEpsilon) + kDecay * expected[i]);
  }
  run.expect(values, expected, Tolerance::reduction);
  if (rounds) run.expect(rounded, run.read(values).data, Tolerance::exact);
}

// After `updates` updates; arenas change places afterwards.
void check_ema(Run& run, i64 count, i64 updates, double max_decay) {
  const Values average = run.random({count}, DType::f32), values = run.random({count}, DType::f32);
  Values before = Run::zeros({1}, DType::i32);
  before[0] = static_cast<double>(updates);
  const State averages = run.state(average), counted = run.state(before), other = run.state(values);
  run.call(run.kernels().ema, averages, counted, run.in(values), static_cast<f32>(max_decay));
  const double n = static_cast<double>(updates), decay = std::min(max_decay, (1 + n) / (10 + n));
  std::vector<double> expected = average.data;
  for (i64 i = 0; i < count; ++i) expected[i] += (1 - decay) * (values[i] - expected[i]);
  run.expect(averages, expected, Tolerance::elementwise);
  run.expect(counted, {n + 1}, Tolerance::exact);
  const Values held = run.read(averages);
  run.call(run.kernels().swap, averages, other);
  run.expect(averages, values.data, Tolerance::exact);
  run.expect(other, held.data, Tolerance::exact);
}

}  // namespace

void add_optimizer_cases(Cases& cases) {
  for (const auto& [count, size] : {std::pair{i64{5003}, Size::small}, {i64{20'000'003}, Size::real}}) {
    const std::string suffix = " [" + std::to_string(count) + "]";
    for (const bool rounds : {false, true})
      cases.push_back({"gradient_norm, count_step, adamw" + std::string(rounds ? " and bf16" : "") + suffix,
                       [=, count = count](Run& run) { check_adamw(run, count, 0, rounds); }, size});
    cases.push_back(
        {"ema, swap" + suffix, [=, count = count](Run& run) { check_ema(run, count, 3, 0.999); }, size});
  }
  cases.push_back({"adamw of a gradient that is NaN", [](Run& run) { check_adamw(run, 5003, NAN, true); }});
  cases.push_back(
      {"adamw of a gradient that is infinite", [](Run& run) { check_adamw(run, 5003, INFINITY, true); }});
  cases.push_back({"ema at its largest decay", [](Run& run) { check_ema(run, 5003, 100'000, 0.999); }});
}

}  // namespace transfusion::check
