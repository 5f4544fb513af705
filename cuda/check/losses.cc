#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {

void add_loss_cases(std::vector<Case>& cases) {
  constexpr i64 T = 37, V = 515;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    cases.push_back({"cross_entropy and backward [37, 515], " + std::string(name_of(dtype)), [=](Run& run) {
                       const Values logits = run.random({T, V}, dtype, 6);
                       const Values labels = run.random_integers({T}, -1, V - 1),
                                    dlosses = run.random({T}, DType::f32);
                       const Out losses = run.out({T}, DType::f32), lse = run.out({T}, DType::f32);
                       const Out dlogits = run.out({T, V}, dtype);
                       const In logit_view = run.in(logits), label_view = run.in(labels);
                       run.call(run.kernels().cross_entropy, losses, OutOptional{}, lse, logit_view,
                                label_view, InOptional{}, 0.f, 0.f);
                       In lse_view;
                       static_cast<TensorView&>(lse_view) = lse;
                       run.call(run.kernels().cross_entropy_backward, dlogits, run.in(dlosses), InOptional{},
                                logit_view, lse_view, label_view, InOptional{}, 0.f, 0.f);
                       std::vector<double> expected(T), logs(T), gradients(T * V);
                       for (i64 t = 0; t < T; ++t) {
                         double sum = 0;
                         for (i64 i = 0; i < V; ++i) sum += std::exp(logits[t * V + i]);
                         const auto label = static_cast<i64>(labels[t]);
                         logs[t] = std::log(sum);
                         if (label < 0) continue;
                         expected[t] = logs[t] - logits[t * V + label];
                         for (i64 i = 0; i < V; ++i)
                           gradients[t * V + i] =
                               dlosses[t] * (std::exp(logits[t * V + i] - logs[t]) - (i == label));
                       }
                       run.expect(losses, expected, Tolerance::reduction);
                       run.expect(dlogits, gradients, Tolerance::reduction);
                     }});
    cases.push_back({"argmax [9, 1031], " + std::string(name_of(dtype)), [=](Run& run) {
                       const Values logits = run.random({9, 1031}, dtype);
                       const Out ids = run.out({9}, DType::i32);
                       run.call(run.kernels().argmax, ids, run.in(logits));
                       std::vector<double> expected(9);
                       for (i64 t = 0; t < 9; ++t)
                         for (i64 i = 1; i < 1031; ++i)
                           if (logits[t * 1031 + i] > logits[t * 1031 + static_cast<i64>(expected[t])])
                             expected[t] = static_cast<double>(i);
                       run.expect(ids, expected, Tolerance::exact);
                     }});
  }
}

}  // namespace transfusion::check
