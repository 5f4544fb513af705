#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

constexpr double kEps = 1e-5;

std::string title(const char* name, i64 T, i64 C, DType dtype) {
  return std::string(name) + " [" + std::to_string(T) + ", " + std::to_string(C) + "], " + name_of(dtype);
}

void check_rms_norm(Run& run, i64 T, i64 C, DType dtype) {
  const Values x = run.random({T, C}, dtype, 2), weight = run.random({C}, dtype);
  const Values dy = run.random({T, C}, dtype), before = run.random({C}, DType::f32);
  const Out y = run.out({T, C}, dtype), rstd = run.out({T}, DType::f32), dx = run.out({T, C}, dtype);
  const Acc dweight = run.acc(before);
  const In xs = run.in(x), weights = run.in(weight);
  run.call(run.kernels().rms_norm, y, rstd, xs, weights, static_cast<f32>(kEps));
  run.call(run.kernels().rms_norm_backward, dx, dweight, run.in(dy), xs, weights, as_in(rstd));
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
}

// What norms over groups of elements share: layer norm's rows are groups of their own, group norm's are
// [rows, C / groups] of an image [rows, C].
struct Norm {
  i64 N, rows, C, groups;
  bool silu;
};

struct NormReference {
  std::vector<double> y, dx, dweight, dbias;
};

NormReference compute(const Norm& norm, const Values& x, const Values& weight, const Values& bias,
                      const Values& dy, const std::vector<double>& dweight,
                      const std::vector<double>& dbias) {
  const auto [N, rows, C, groups, silu] = norm;
  const i64 width = C / groups;
  NormReference reference{std::vector<double>(x.data.size()), std::vector<double>(x.data.size()), dweight,
                          dbias};
  for (i64 n = 0; n < N; ++n)
    for (i64 g = 0; g < groups; ++g) {
      const auto for_each = [&, n = n, rows = rows, C = C](auto body) {
        for (i64 r = 0; r < rows; ++r)
          for (i64 c = g * width; c < (g + 1) * width; ++c) body((n * rows + r) * C + c, c);
      };
      const double count = static_cast<double>(rows * width);
      double sum = 0, squares = 0, sum_d = 0, sum_dx = 0;
      for_each([&](i64 i, i64) { sum += x[i]; });
      for_each([&](i64 i, i64) { squares += std::pow(x[i] - sum / count, 2); });
      const double rstd = 1 / std::sqrt(squares / count + kEps);
      std::vector<double> normed, gradients;
      for_each([&, silu = silu](i64 i, i64 c) {
        const double unit = (x[i] - sum / count) * rstd, plain = unit * weight[c] + bias[c];
        const double sigmoid = 1 / (1 + std::exp(-plain));
        reference.y[i] = silu ? plain * sigmoid : plain;
        const double d = dy[i] * (silu ? sigmoid * (1 + plain * (1 - sigmoid)) : 1);
        reference.dweight[c] += d * unit;
        reference.dbias[c] += d;
        sum_d += d * weight[c];
        sum_dx += d * weight[c] * unit;
        normed.push_back(unit);
        gradients.push_back(d * weight[c]);
      });
      size_t place = 0;
      for_each([&](i64 i, i64) {
        reference.dx[i] = rstd * (gradients[place] - sum_d / count - normed[place] * sum_dx / count);
        ++place;
      });
    }
  return reference;
}

// Both norms take the same arguments.
void check_norm(Run& run, const Norm& norm, const Shape& shape, const Shape& statistics, auto forward,
                auto backward, DType dtype) {
  const Values x = run.random(shape, dtype, 2), weight = run.random({norm.C}, dtype),
               bias = run.random({norm.C}, dtype), dy = run.random(shape, dtype);
  const Values before = run.random({norm.C}, DType::f32), before_bias = run.random({norm.C}, DType::f32);
  const Out y = run.out(shape, dtype), dx = run.out(shape, dtype), mean = run.out(statistics, DType::f32),
            rstd = run.out(statistics, DType::f32);
  const Acc dweight = run.acc(before), dbias = run.acc(before_bias);
  const In xs = run.in(x), weights = run.in(weight), biases = run.in(bias);
  run.call(forward, y, mean, rstd, xs, weights, biases, static_cast<f32>(kEps), norm.silu);
  run.call(backward, dx, dweight, dbias, run.in(dy), xs, weights, biases, as_in(mean), as_in(rstd),
           norm.silu);
  const NormReference reference = compute(norm, x, weight, bias, dy, before.data, before_bias.data);
  run.expect(y, reference.y, Tolerance::reduction);
  run.expect(dx, reference.dx, Tolerance::reduction);
  run.expect(dweight, reference.dweight, Tolerance::reduction);
  run.expect(dbias, reference.dbias, Tolerance::reduction);
}

void check_softmax(Run& run, i64 T, i64 V, DType dtype) {
  const Values x = run.random({T, V}, dtype, 8), dy = run.random({T, V}, dtype);
  const Out y = run.out({T, V}, dtype), dx = run.out({T, V}, dtype);
  run.call(run.kernels().softmax, y, run.in(x));
  run.call(run.kernels().softmax_backward, dx, run.in(dy), as_in(y));
  const Values held = run.read(y);
  std::vector<double> ys(T * V), dxs(T * V);
  for (i64 t = 0; t < T; ++t) {
    double sum = 0, dot = 0;
    for (i64 i = t * V; i < (t + 1) * V; ++i) sum += ys[i] = std::exp(x[i]);
    for (i64 i = t * V; i < (t + 1) * V; ++i) {
      ys[i] /= sum;
      dot += dy[i] * held[i];
    }
    for (i64 i = t * V; i < (t + 1) * V; ++i) dxs[i] = held[i] * (dy[i] - dot);
  }
  run.expect(y, ys, Tolerance::reduction);
  run.expect(dx, dxs, Tolerance::reduction);
}

}  // namespace

void add_norm_cases(Cases& cases) {
  struct Rows {
    i64 T, C;
    Size size;
  };
  // Rows of a warp, rows of a block, rows that no vector divides, rows as models have them.
  constexpr Rows kRows[] = {{37, 64, Size::small},   {37, 2048, Size::small},  {37, 33, Size::small},
                            {4096, 768, Size::real}, {1001, 4096, Size::real}, {517, 1535, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& [T, C, size] : kRows) {
      cases.push_back({title("rms_norm and backward", T, C, dtype),
                       [=, T = T, C = C](Run& run) { check_rms_norm(run, T, C, dtype); }, size});
      for (const bool silu : {false, true})
        cases.push_back(
            {title(silu ? "layer_norm with SiLU and backward" : "layer_norm and backward", T, C, dtype),
             [=, T = T, C = C](Run& run) {
               Norm norm{T, 1, C, 1, silu};
               check_norm(run, norm, {T, C}, {T}, run.kernels().layer_norm, run.kernels().layer_norm_backward,
                          dtype);
             },
             size});
    }
    for (const auto& [norm, size] : {std::pair{Norm{2, 35, 24, 3, false}, Size::small},
                                     {Norm{3, 20, 64, 8, true}, Size::small},
                                     {Norm{4, 4096, 128, 32, true}, Size::real}})
      cases.push_back(
          {title("group_norm and backward", norm.N * norm.rows, norm.C, dtype) + (norm.silu ? ", SiLU" : ""),
           [=, norm = norm](Run& run) {
             check_norm(run, norm, {norm.N, norm.rows, norm.C}, {norm.N, norm.groups},
                        run.kernels().group_norm, run.kernels().group_norm_backward, dtype);
           },
           size});
    for (const auto& [T, V, size] :
         {Rows{35, 257, Size::small}, {9, 2500, Size::small}, {129, 16384, Size::real}})
      cases.push_back({title("softmax and backward", T, V, dtype),
                       [=, T = T, V = V](Run& run) { check_softmax(run, T, V, dtype); }, size});
  }
}

}  // namespace transfusion::check
