#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

constexpr double kEps = 1e-5;

void add_rms_norm(std::vector<Case>& cases, i64 T, i64 C, DType dtype) {
  cases.push_back(
      {"rms_norm and backward [" + std::to_string(T) + ", " + std::to_string(C) + "], " + name_of(dtype),
       [=](Run& run) {
         const Values x = run.random({T, C}, dtype, 2), weight = run.random({C}, dtype);
         const Values dy = run.random({T, C}, dtype), before = run.random({C}, DType::f32);
         const Out y = run.out({T, C}, dtype), rstd = run.out({T}, DType::f32), dx = run.out({T, C}, dtype);
         const Acc dweight = run.acc(before);
         const In xs = run.in(x), weights = run.in(weight);
         run.call(run.kernels().rms_norm, y, rstd, xs, weights, static_cast<f32>(kEps));
         In rstds;
         static_cast<TensorView&>(rstds) = rstd;
         run.call(run.kernels().rms_norm_backward, dx, dweight, run.in(dy), xs, weights, rstds);
         std::vector<double> ys(T * C), dxs(T * C), sums = before.data;
         for (i64 t = 0; t < T; ++t) {
           double squares = 0, dot = 0;
           for (i64 c = 0; c < C; ++c) squares += x[t * C + c] * x[t * C + c];
           const double r = 1 / std::sqrt(squares / C + kEps);
           for (i64 c = 0; c < C; ++c) dot += dy[t * C + c] * weight[c] * x[t * C + c];
           for (i64 c = 0; c < C; ++c) {
             const i64 i = t * C + c;
             ys[i] = x[i] * r * weight[c];
             dxs[i] = r * (dy[i] * weight[c] - x[i] * r * r * dot / C);
             sums[c] += dy[i] * x[i] * r;
           }
         }
         run.expect(y, ys, Tolerance::reduction);
         run.expect(dx, dxs, Tolerance::reduction);
         run.expect(dweight, sums, Tolerance::reduction);
       }});
}

void add_layer_norm(std::vector<Case>& cases, i64 T, i64 C, DType dtype) {
  cases.push_back(
      {"layer_norm [" + std::to_string(T) + ", " + std::to_string(C) + "], " + name_of(dtype), [=](Run& run) {
         const Values x = run.random({T, C}, dtype, 2), weight = run.random({C}, dtype);
         const Values bias = run.random({C}, dtype);
         const Out y = run.out({T, C}, dtype), mean = run.out({T}, DType::f32),
                   rstd = run.out({T}, DType::f32);
         run.call(run.kernels().layer_norm, y, mean, rstd, run.in(x), run.in(weight), run.in(bias),
                  static_cast<f32>(kEps), false);
         std::vector<double> ys(T * C);
         for (i64 t = 0; t < T; ++t) {
           double sum = 0, squares = 0;
           for (i64 c = 0; c < C; ++c) sum += x[t * C + c];
           for (i64 c = 0; c < C; ++c) squares += std::pow(x[t * C + c] - sum / C, 2);
           const double r = 1 / std::sqrt(squares / C + kEps);
           for (i64 c = 0; c < C; ++c) ys[t * C + c] = (x[t * C + c] - sum / C) * r * weight[c] + bias[c];
         }
         run.expect(y, ys, Tolerance::reduction);
       }});
}

}  // namespace

void add_norm_cases(std::vector<Case>& cases) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    // Rows of a warp, rows of a block, rows that no vector divides.
    for (const i64 C : {64, 2048, 33}) {
      add_rms_norm(cases, 37, C, dtype);
      add_layer_norm(cases, 37, C, dtype);
    }
    cases.push_back({"softmax [35, 257], " + std::string(name_of(dtype)), [=](Run& run) {
                       const Values x = run.random({35, 257}, dtype, 8);
                       const Out y = run.out({35, 257}, dtype);
                       run.call(run.kernels().softmax, y, run.in(x));
                       std::vector<double> reference(35 * 257);
                       for (i64 t = 0; t < 35; ++t) {
                         double sum = 0;
                         for (i64 i = t * 257; i < (t + 1) * 257; ++i) sum += reference[i] = std::exp(x[i]);
                         for (i64 i = t * 257; i < (t + 1) * 257; ++i) reference[i] /= sum;
                       }
                       run.expect(y, reference, Tolerance::reduction);
                     }});
  }
}

}  // namespace transfusion::check
