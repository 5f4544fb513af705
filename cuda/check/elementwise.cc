#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

// f(a, b) of equal shapes, and of a row that all rows share.
template <class Operation>
void add_binary(std::vector<Case>& cases, const char* name, auto kernel, Operation operation) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const i64 rows_of_b : {37, 1})
      cases.push_back(
          {std::string(name) + " [37, 131] " + std::to_string(rows_of_b) + " rows, " + name_of(dtype),
           [=](Run& run) {
             const Values a = run.random({37, 131}, dtype), b = run.random({rows_of_b, 131}, dtype);
             const Out y = run.out(a.shape, dtype);
             run.call(run.kernels().*kernel, y, run.in(a), run.in(b));
             std::vector<double> reference(a.data.size());
             for (i64 i = 0; i < 37 * 131; ++i)
               reference[i] = operation(a[i], b[rows_of_b == 1 ? i % 131 : i]);
             run.expect(y, reference, Tolerance::elementwise);
           }});
}

std::vector<double> rounded(std::vector<double> values, DType dtype) {
  for (double& value : values) value = round_to(dtype, value);
  return values;
}

void check_leaky_relu(Run& run, f32 slope, DType dtype) {
  const Values x = run.random({1003}, dtype, 4), dy = run.random({1003}, dtype);
  const Out y = run.out({1003}, dtype), dx = run.out({1003}, dtype);
  run.call(run.kernels().leaky_relu, y, run.in(x), slope);
  run.call(run.kernels().leaky_relu_backward, dx, run.in(dy), as_in(y), slope);
  std::vector<double> reference, gradients;
  for (i64 i = 0; i < 1003; ++i) {
    reference.push_back(x[i] > 0 ? x[i] : slope * x[i]);
    gradients.push_back(x[i] > 0 ? dy[i] : slope * dy[i]);
  }
  run.expect(y, reference, Tolerance::elementwise);
  run.expect(dx, gradients, Tolerance::elementwise);
}

double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace

void add_elementwise_cases(std::vector<Case>& cases) {
  add_binary(cases, "add", &KernelTable::add, [](double a, double b) { return a + b; });
  add_binary(cases, "mul", &KernelTable::mul, [](double a, double b) { return a * b; });
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string suffix = std::string(", ") + name_of(dtype);
    cases.push_back({"fill [1003]" + suffix, [=](Run& run) {
                       const Out y = run.out({1003}, dtype);
                       run.call(run.kernels().fill, y, 0.5f);
                       run.expect(y, std::vector<double>(1003, 0.5), Tolerance::exact);
                     }});
    cases.push_back({"zero [1003]" + suffix, [=](Run& run) {
                       const Part y = as_part(run.out({1003}, dtype));
                       run.call(run.kernels().zero, y);
                       run.expect(y, std::vector<double>(1003, 0), Tolerance::exact);
                     }});
    cases.push_back({"cast to f32 [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random({1003}, dtype);
                       const Out y = run.out({1003}, DType::f32);
                       run.call(run.kernels().cast, as_out_any(y), as_in_any(run.in(x)));
                       run.expect(y, x.data, Tolerance::exact);
                     }});
    for (const f32 slope : {0.f, 0.25f})
      cases.push_back({"leaky_relu and backward, slope " + std::to_string(slope) + " [1003]" + suffix,
                       [=](Run& run) { check_leaky_relu(run, slope, dtype); }});
    cases.push_back({"silu [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random({1003}, dtype, 4);
                       const Out y = run.out({1003}, dtype);
                       run.call(run.kernels().silu, y, run.in(x));
                       std::vector<double> reference;
                       for (const double value : x.data) reference.push_back(silu(value));
                       run.expect(y, reference, Tolerance::elementwise);
                     }});
    cases.push_back({"silu_backward [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random({1003}, dtype, 4), dy = run.random({1003}, dtype);
                       const Out dx = run.out({1003}, dtype);
                       run.call(run.kernels().silu_backward, dx, run.in(dy), run.in(x));
                       std::vector<double> reference;
                       for (i64 i = 0; i < 1003; ++i) {
                         const double sigmoid = 1 / (1 + std::exp(-x[i]));
                         reference.push_back(dy[i] * sigmoid * (1 + x[i] * (1 - sigmoid)));
                       }
                       run.expect(dx, reference, Tolerance::elementwise);
                     }});
    cases.push_back({"scale [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random({1003}, dtype);
                       const Out y = run.out({1003}, dtype);
                       run.call(run.kernels().scale, y, run.in(x), 0.75f);
                       std::vector<double> reference;
                       for (const double value : x.data) reference.push_back(0.75 * value);
                       run.expect(y, reference, Tolerance::elementwise);
                     }});
    for (const DType other : {DType::f32, DType::bf16})
      cases.push_back({"accumulate " + std::string(name_of(other)) + " [1003]" + suffix, [=](Run& run) {
                         const Values before = run.random({1003}, dtype), x = run.random({1003}, other);
                         const InOut y = run.in_out(before);
                         run.call(run.kernels().accumulate, y, run.in(x));
                         std::vector<double> reference = before.data;
                         for (i64 i = 0; i < 1003; ++i) reference[i] += x[i];
                         run.expect(y, reference, Tolerance::elementwise);
                       }});
    cases.push_back({"cast of integers [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random_integers({1003}, -1000000, 1000000);
                       const Out y = run.out({1003}, dtype);
                       run.call(run.kernels().cast, as_out_any(y), as_in_any(run.in(x)));
                       run.expect(y, x.data, Tolerance::elementwise);
                     }});
    cases.push_back({"cast to bf16 [1003]" + suffix, [=](Run& run) {
                       const Values x = run.random({1003}, dtype);
                       const Out y = run.out({1003}, DType::bf16);
                       run.call(run.kernels().cast, as_out_any(y), as_in_any(run.in(x)));
                       run.expect(y, rounded(x.data, DType::bf16), Tolerance::exact);
                     }});
    cases.push_back({"swiglu [33, 2 x 72]" + suffix, [=](Run& run) {
                       const Values x = run.random({33, 144}, dtype, 4);
                       const Out y = run.out({33, 72}, dtype);
                       run.call(run.kernels().swiglu, y, run.in(x));
                       std::vector<double> reference;
                       for (i64 t = 0; t < 33; ++t)
                         for (i64 f = 0; f < 72; ++f)
                           reference.push_back(silu(x[t * 144 + f]) * x[t * 144 + 72 + f]);
                       run.expect(y, reference, Tolerance::elementwise);
                     }});
    cases.push_back({"swiglu_backward [33, 2 x 72]" + suffix, [=](Run& run) {
                       const Values x = run.random({33, 144}, dtype, 4), dy = run.random({33, 72}, dtype);
                       const Out dx = run.out({33, 144}, dtype);
                       run.call(run.kernels().swiglu_backward, dx, run.in(dy), run.in(x));
                       std::vector<double> reference(33 * 144);
                       for (i64 t = 0; t < 33; ++t)
                         for (i64 f = 0; f < 72; ++f) {
                           const double gate = x[t * 144 + f], up = x[t * 144 + 72 + f], d = dy[t * 72 + f];
                           const double sigmoid = 1 / (1 + std::exp(-gate));
                           reference[t * 144 + f] = d * up * sigmoid * (1 + gate * (1 - sigmoid));
                           reference[t * 144 + 72 + f] = d * silu(gate);
                         }
                       run.expect(dx, reference, Tolerance::elementwise);
                     }});
  }
}

}  // namespace transfusion::check
