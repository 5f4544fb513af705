#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

// `smoothing` 0 and `z_loss` 0: without penalties and weights.
struct CrossEntropy {
  i64 T, V;
  f32 smoothing, z_loss;
  bool penalised() const { return smoothing > 0 || z_loss > 0; }
};

struct LossRow {
  double loss = 0, penalty = 0;
};

// Of one row, whose gradients go to dlogits.
LossRow compute_row(const CrossEntropy& c, const double* logits, i64 label, double weight, double dloss,
                    double dpenalty, double* dlogits) {
  if (label < 0) return {};
  double largest = logits[0], sum = 0, mean = 0;
  for (i64 v = 1; v < c.V; ++v) largest = std::max(largest, logits[v]);
  for (i64 v = 0; v < c.V; ++v) {
    sum += std::exp(logits[v] - largest);
    mean += logits[v] / static_cast<double>(c.V);
  }
  const double lse = largest + std::log(sum), dl = weight * dloss, dp = weight * dpenalty;
  for (i64 v = 0; v < c.V; ++v)
    dlogits[v] = (dl + 2 * c.z_loss * lse * dp) * std::exp(logits[v] - lse) -
                 c.smoothing * dp / static_cast<double>(c.V) + (v == label ? c.smoothing * dp - dl : 0);
  return {weight * (lse - logits[label]),
          weight * (c.smoothing * (logits[label] - mean) + c.z_loss * lse * lse)};
}

void check_cross_entropy(Run& run, const CrossEntropy& c, DType dtype) {
  const auto [T, V, smoothing, z_loss] = c;
  const bool penalised = c.penalised();
  const Values logits = run.random({T, V}, dtype, 6), labels = run.random_integers({T}, -1, V - 1);
  const Values dlosses = run.random({T}, DType::f32), dpenalties = run.random({T}, DType::f32),
               weights = run.random({T}, DType::f32);
  const Out losses = run.out({T}, DType::f32), lse = run.out({T}, DType::f32),
            dlogits = run.out({T, V}, dtype);
  OutOptional penalties;
  InOptional weight_view, dpenalty_view;
  if (penalised) {
    static_cast<TensorView&>(penalties) = run.out({T}, DType::f32);
    weight_view = run.in_optional(weights);
    dpenalty_view = run.in_optional(dpenalties);
  }
  const In logit_view = run.in(logits), label_view = run.in(labels);
  run.call(run.kernels().cross_entropy, losses, penalties, lse, logit_view, label_view, weight_view,
           smoothing, z_loss);
  run.call(run.kernels().cross_entropy_backward, dlogits, run.in(dlosses), dpenalty_view, logit_view,
           as_in(lse), label_view, weight_view, smoothing, z_loss);
  std::vector<double> expected(T), expected_penalties(T), gradients(T * V);
  in_parallel(T, [&, V = V](i64 t) {
    const LossRow row =
        compute_row(c, &logits.data[t * V], static_cast<i64>(labels[t]), penalised ? weights[t] : 1,
                    dlosses[t], penalised ? dpenalties[t] : 0, &gradients[t * V]);
    expected[t] = row.loss;
    expected_penalties[t] = row.penalty;
  });
  run.expect(losses, expected, Tolerance::reduction);
  if (penalised) run.expect(penalties, expected_penalties, Tolerance::reduction);
  run.expect(dlogits, gradients, Tolerance::reduction);
}

// Of N images of P positions of C channels, the first positions of a being 0.
struct Features {
  i64 N, P, C;
};

void check_perceptual_distance(Run& run, const Features& f, DType dtype) {
  const auto [N, P, C] = f;
  Values a = run.random({N, P, 1, C}, dtype);
  const Values b = run.random({N, P, 1, C}, dtype), weight = run.random({C}, DType::f32),
               dlosses = run.random({N}, DType::f32);
  for (i64 c = 0; c < C; ++c) a[c] = 0;
  const Out losses = run.out({N}, DType::f32), da = run.out(a.shape, dtype);
  const In as = run.in(a), bs = run.in(b), weights = run.in(weight);
  run.call(run.kernels().perceptual_distance, losses, as, bs, weights);
  run.call(run.kernels().perceptual_distance_backward, da, run.in(dlosses), as, bs, weights);
  std::vector<double> distances(N * P), expected(N), gradients(N * P * C);
  in_parallel(N * P, [&, P = P, C = C](i64 t) {
    const double *x = &a.data[t * C], *y = &b.data[t * C];
    double x_square = 0, y_square = 0, along = 0;
    for (i64 c = 0; c < C; ++c) {
      x_square += x[c] * x[c];
      y_square += y[c] * y[c];
    }
    const double length = std::sqrt(x_square), x_length = length + 1e-10,
                 y_length = std::sqrt(y_square) + 1e-10;
    const auto slope = [&](i64 c) {
      return 2 * dlosses[t / P] / static_cast<double>(P) * weight[c] * (x[c] / x_length - y[c] / y_length);
    };
    for (i64 c = 0; c < C; ++c) {
      const double d = x[c] / x_length - y[c] / y_length;
      distances[t] += weight[c] * d * d / static_cast<double>(P);
      along += slope(c) * x[c] / x_length;
    }
    if (length > 0)
      for (i64 c = 0; c < C; ++c) gradients[t * C + c] = (slope(c) - x[c] / length * along) / x_length;
  });
  for (i64 t = 0; t < N * P; ++t) expected[t / P] += distances[t];
  run.expect(losses, expected, Tolerance::reduction);
  run.expect(da, gradients, Tolerance::reduction);
}

}  // namespace

void add_loss_cases(Cases& cases) {
  constexpr std::pair<CrossEntropy, Size> kLosses[] = {{{37, 515, 0, 0}, Size::small},
                                                       {{19, 2050, 0.1f, 1e-4f}, Size::small},
                                                       {{512, 50304, 0, 0}, Size::real},
                                                       {{257, 50257, 0.1f, 1e-4f}, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [c, size] : kLosses)
      cases.push_back({"cross_entropy and backward [" + std::to_string(c.T) + ", " + std::to_string(c.V) +
                           "]" + (c.penalised() ? " with penalties, " : ", ") + name_of(dtype),
                       [=, c = c](Run& run) { check_cross_entropy(run, c, dtype); }, size});
  constexpr std::pair<Features, Size> kFeatures[] = {{{3, 37, 30}, Size::small},
                                                     {{2, 35, 64}, Size::small},
                                                     {{2, 3, 1100}, Size::small},
                                                     {{8, 4096, 512}, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [f, size] : kFeatures)
      cases.push_back({"perceptual_distance and backward [" + std::to_string(f.N) + ", " +
                           std::to_string(f.P) + ", 1, " + std::to_string(f.C) + "], " + name_of(dtype),
                       [=, f = f](Run& run) { check_perceptual_distance(run, f, dtype); }, size});
}

}  // namespace transfusion::check
