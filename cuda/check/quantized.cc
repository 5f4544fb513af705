#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Product {
  i64 M, N, K;
  Size size;
};

// Whole numbers, 127 among those of each group of 32: scales are 1, and all is exact.
Values whole_numbers(Run& run, i64 rows, i64 K) {
  Values values = run.random_integers({rows, K}, -127, 127);
  values.dtype = DType::f32;
  for (i64 i = 0; i < rows * K; i += 32) values[i] = 127;
  return values;
}

void check_product(Run& run, const Product& shape, DType dtype) {
  const auto [M, N, K, size] = shape;
  const Values x = whole_numbers(run, M, K), weights = whole_numbers(run, N, K),
               bias = run.random({N}, DType::f32);
  const Out w = run.out({N, K}, dtype);
  run.call(run.kernels().cast, as_out_any(w), as_in_any(run.in(weights)));
  const Out y = run.out({M, N}, DType::f32);
  run.call(run.kernels().quantized_matmul, y, run.in(x), as_in_any(w), run.in_optional(bias));
  std::vector<double> expected;
  for (i64 m = 0; m < M; ++m)
    for (i64 n = 0; n < N; ++n) {
      double sum = bias[n];
      for (i64 k = 0; k < K; ++k) sum += x[m * K + k] * weights[n * K + k];
      expected.push_back(sum);
    }
  run.expect(y, expected, Tolerance::reduction);
}

}  // namespace

void add_quantized_cases(Cases& cases) {
  constexpr Product kProducts[] = {
      {1, 37, 96, Size::small}, {9, 70, 64, Size::small}, {64, 576, 1536, Size::real}};
  for (const DType dtype : {DType::int8, DType::q8_0})
    for (const Product& shape : kProducts)
      cases.push_back({"quantized_matmul [" + std::to_string(shape.M) + ", " + std::to_string(shape.N) +
                           ", " + std::to_string(shape.K) + "], " + dtype_name(dtype),
                       [=](Run& run) { check_product(run, shape, dtype); }, shape.size});
}

}  // namespace transfusion::check
