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

// Of some elements of y [M, N], about `count` of them: a corner of each tile is among them.
std::vector<i64> some_places(const Product& p, i64 count) {
  std::vector<i64> places;
  const i64 step = std::max<i64>(1, p.M * p.N / count) | 1;
  for (i64 i = 0; i < p.M * p.N; i += step) places.push_back(i);
  for (const i64 m : {i64{0}, p.M - 1})
    for (const i64 n : {i64{0}, p.N - 1}) places.push_back(m * p.N + n);
  return places;
}

std::vector<double> some_elements(const Product& p, const Values& a, const Values& b, bool transpose_a,
                                  bool transpose_b, const std::vector<i64>& places) {
  std::vector<double> sums(places.size());
  in_parallel(static_cast<i64>(places.size()), [&](i64 i) {
    const i64 m = places[i] / p.N, n = places[i] % p.N;
    double sum = 0;
    for (i64 k = 0; k < p.K; ++k)
      sum += a[transpose_a ? k * p.M + m : m * p.K + k] * b[transpose_b ? n * p.K + k : k * p.N + n];
    sums[i] = sum;
  });
  return sums;
}

// `y_dtype`: f32 may take bf16 operands.
void check_some(Run& run, const Product& p, bool transpose_a, bool transpose_b, DType dtype, DType y_dtype) {
  const Values a = run.random(transpose_a ? Shape{p.K, p.M} : Shape{p.M, p.K}, dtype);
  const Values b = run.random(transpose_b ? Shape{p.N, p.K} : Shape{p.K, p.N}, dtype);
  const In left = run.in(a), right = run.in(b);
  const std::vector<i64> places = some_places(p, 20000);
  std::vector<double> reference = some_elements(p, a, b, transpose_a, transpose_b, places);
  const Out y = run.out({p.M, p.N}, y_dtype);
  run.call(run.kernels().matmul, y, left, right, InOptional{}, transpose_a, transpose_b);
  run.expect_some(y, places, reference, Tolerance::reduction);
  if (!transpose_a || transpose_b) return;
  const Values before = run.random({p.M, p.N}, DType::f32);
  const Acc sum = run.acc(before);
  run.call(run.kernels().matmul_accumulate, sum, left, right, true, false);
  for (size_t i = 0; i < places.size(); ++i) reference[i] += before[places[i]];
  run.expect_some(sum, places, reference, Tolerance::reduction);
}

void add_some(Cases& cases, const Product& p, Size size, DType y_dtype = DType::bf16) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [transpose_a, transpose_b] :
         {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
      const DType y = dtype == DType::f32 ? DType::f32 : y_dtype;
      cases.push_back({name_of(y == dtype ? "matmul, some elements" : "matmul to f32, some elements", p,
                               transpose_a, transpose_b, dtype),
                       [=](Run& run) { check_some(run, p, transpose_a, transpose_b, dtype, y); }, size});
    }
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
        cases.push_back({name_of("matmul_part, matmul_accumulate", p, true, false, dtype), [=](Run& run) {
                           const Values a = run.random({p.K, p.M}, dtype), b = run.random({p.K, p.N}, dtype);
                           const Values before = run.random({p.M, p.N}, DType::f32);
                           const Acc y = run.acc(before);
                           run.call(run.kernels().matmul_accumulate, y, run.in(a), run.in(b), true, false);
                           std::vector<double> reference = product(p, a, b, true, false);
                           for (size_t i = 0; i < reference.size(); ++i) reference[i] += before.data[i];
                           run.expect(y, reference, Tolerance::reduction);
                           const Part first = as_part(run.out({p.M, p.N}, DType::f32));
                           run.call(run.kernels().matmul_part, first, run.in(a), run.in(b), true, false);
                           run.expect(first, product(p, a, b, true, false), Tolerance::reduction);
                         }});
      }
  add_some(cases, {1, 130, 100, 257}, Size::small);
  add_some(cases, {1, 64, 72, 96}, Size::small, DType::f32);
  // Decoding, tiles of all sizes, rows that no vector divides, weight gradients, squares.
  for (const Product& p : {Product{1, 1, 4096, 2048},
                           {1, 4, 50304, 1024},
                           {1, 16, 1536, 4096},
                           {1, 1000, 1000, 1000},
                           {1, 1023, 2047, 515},
                           {1, 2048, 768, 16384},
                           {1, 4096, 4096, 4096}})
    add_some(cases, p, Size::real);
  add_some(cases, {1, 2048, 50304, 768}, Size::real, DType::f32);
}

}  // namespace transfusion::check
