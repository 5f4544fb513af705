#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Product {
  i64 batch, M, N, K;
};

std::string name_of(const char* kernel, const Product& p, bool transpose_a, bool transpose_b, DType dtype) {
  return std::string(kernel) + " " + std::to_string(p.batch) + " x [" + std::to_string(p.M) + ", " +
         std::to_string(p.N) + ", " + std::to_string(p.K) + "] " + (transpose_a ? "T" : "N") +
         (transpose_b ? "T" : "N") + ", " + check::name_of(dtype);
}

std::vector<double> product(const Product& p, const Values& a, const Values& b, bool transpose_a,
                            bool transpose_b) {
  std::vector<double> y(static_cast<size_t>(p.batch * p.M * p.N));
  for (i64 batch = 0; batch < p.batch; ++batch)
    for (i64 m = 0; m < p.M; ++m)
      for (i64 k = 0; k < p.K; ++k) {
        const double left = a[batch * p.M * p.K + (transpose_a ? k * p.M + m : m * p.K + k)];
        const double* right = b.data.data() + batch * p.K * p.N;
        double* row = y.data() + (batch * p.M + m) * p.N;
        for (i64 n = 0; n < p.N; ++n) row[n] += left * right[transpose_b ? n * p.K + k : k * p.N + n];
      }
  return y;
}

Shape shape_of(i64 batch, i64 rows, i64 columns) {
  return batch == 1 ? Shape{rows, columns} : Shape{batch, rows, columns};
}

}  // namespace

void add_matmul_cases(std::vector<Case>& cases) {
  // Whole tiles, tiles that are cut, few rows, K that no vector divides, K long enough to be split.
  constexpr Product kProducts[] = {{1, 128, 128, 64}, {1, 200, 136, 72}, {1, 3, 264, 128},
                                   {1, 1, 65, 31},    {3, 40, 24, 16},   {1, 64, 64, 1024}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Product& p : kProducts)
      for (const auto& [transpose_a, transpose_b] : {std::pair{false, false}, {false, true}, {true, false}}) {
        cases.push_back(
            {name_of("matmul", p, transpose_a, transpose_b, dtype), [=](Run& run) {
               const Values a =
                   run.random(transpose_a ? shape_of(p.batch, p.K, p.M) : shape_of(p.batch, p.M, p.K), dtype);
               const Values b =
                   run.random(transpose_b ? shape_of(p.batch, p.N, p.K) : shape_of(p.batch, p.K, p.N), dtype);
               const Values bias = run.random({p.N}, dtype);
               const Out y = run.out(shape_of(p.batch, p.M, p.N), dtype);
               const bool biased = p.batch == 1 && transpose_b;
               run.call(run.kernels().matmul, y, run.in(a), run.in(b),
                        biased ? run.in_optional(bias) : InOptional{}, transpose_a, transpose_b);
               std::vector<double> reference = product(p, a, b, transpose_a, transpose_b);
               for (size_t i = 0; biased && i < reference.size(); ++i)
                 reference[i] += bias[static_cast<i64>(i) % p.N];
               run.expect(y, reference, Tolerance::reduction);
             }});
        if (p.batch > 1 || !transpose_a) continue;
        cases.push_back({name_of("matmul_accumulate", p, true, false, dtype), [=](Run& run) {
                           const Values a = run.random({p.K, p.M}, dtype), b = run.random({p.K, p.N}, dtype);
                           const Values before = run.random({p.M, p.N}, DType::f32);
                           const Acc y = run.acc(before);
                           run.call(run.kernels().matmul_accumulate, y, run.in(a), run.in(b), true, false);
                           std::vector<double> reference = product(p, a, b, true, false);
                           for (size_t i = 0; i < reference.size(); ++i) reference[i] += before.data[i];
                           run.expect(y, reference, Tolerance::reduction);
                         }});
      }
}

}  // namespace transfusion::check
