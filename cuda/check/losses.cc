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
}

}  // namespace transfusion::check
