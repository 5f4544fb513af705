#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Matrix {
  i64 M, N;
  Size size;
};

constexpr double kBeta = 0.95, kRate = 0.02, kScale = 0.2, kDecay = 0.1, kFactor = 0.5;

// clip [3] = norm, factor, whether the norm is finite.
Values clip_of(bool finite) {
  Values clip = Run::zeros({3});
  clip.data = {2, kFactor, finite ? 1. : 0.};
  return clip;
}

void check_step(Run& run, const Matrix& matrix, bool finite, DType dtype) {
  const auto [M, N, size] = matrix;
  const Values momentum = run.random({M, N}, DType::f32), gradients = run.random({M, N}, DType::f32),
               parameters = run.random({M, N}, DType::f32);
  const State moments = run.state(momentum), values = run.state(parameters);
  const Out direction = run.out({M, N}, dtype);
  const In clip = run.in(clip_of(finite));
  const Values stale = run.random({M, N}, DType::bf16);
  const bool rounds = dtype == DType::bf16;
  const StateOut rounded = rounds ? run.state_out(stale) : StateOut{};
  run.call(run.kernels().muon_momentum, moments, direction, run.in(gradients), clip, static_cast<f32>(kBeta));
  run.call(run.kernels().muon_update, values, rounded, as_in(direction), clip, static_cast<f32>(kRate),
           static_cast<f32>(kScale), static_cast<f32>(kDecay));
  std::vector<double> expected = momentum.data, directions(M * N), updated = parameters.data;
  double squares = 0;
  for (i64 i = 0; finite && i < M * N; ++i) {
    const double g = (1 - kBeta) * kFactor * gradients[i];
    expected[i] = kBeta * momentum[i] + g;
    directions[i] = kBeta * expected[i] + g;
    squares += directions[i] * directions[i];
  }
  const Values held = run.read(direction);
  for (i64 i = 0; finite && i < M * N; ++i) {
    directions[i] /= std::sqrt(squares);
    updated[i] = (1 - kRate * kDecay) * updated[i] - kRate * kScale * held[i];
  }
  const Tolerance tolerance = finite ? Tolerance::reduction : Tolerance::exact;
  run.expect(moments, expected, tolerance);
  run.expect(direction, directions, tolerance);
  run.expect(values, updated, tolerance);
  if (rounds) run.expect(rounded, finite ? run.read(values).data : stale.data, Tolerance::exact);
}

void check_polynomial(Run& run, i64 B, i64 M, DType dtype) {
  const Values gram = run.random({B, M, M}, dtype), square = run.random({B, M, M}, dtype);
  const Out p = run.out({B, M, M}, dtype);
  run.call(run.kernels().muon_polynomial, p, run.in(gram), run.in(square), 3.4445f, -4.775f, 2.0315f);
  std::vector<double> expected;
  for (i64 i = 0; i < B * M * M; ++i)
    expected.push_back((i / M % M == i % M ? 3.4445 : 0) - 4.775 * gram[i] + 2.0315 * square[i]);
  run.expect(p, expected, Tolerance::elementwise);
}

}  // namespace

void add_muon_cases(Cases& cases) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string suffix = std::string(", ") + name_of(dtype);
    for (const Matrix& matrix :
         {Matrix{37, 41, Size::small}, {64, 96, Size::small}, {2048, 4096, Size::real}})
      cases.push_back({"muon_momentum, muon_update [" + std::to_string(matrix.M) + ", " +
                           std::to_string(matrix.N) + "]" + suffix,
                       [=](Run& run) { check_step(run, matrix, true, dtype); }, matrix.size});
    cases.push_back({"muon of a gradient that is not finite" + suffix, [=](Run& run) {
                       check_step(run, {33, 8, Size::small}, false, dtype);
                     }});
    cases.push_back(
        {"muon_polynomial [3, 33, 33]" + suffix, [=](Run& run) { check_polynomial(run, 3, 33, dtype); }});
    cases.push_back({"muon_polynomial [2048, 2048]" + suffix,
                     [=](Run& run) { check_polynomial(run, 1, 2048, dtype); }, Size::real});
  }
}

}  // namespace transfusion::check
