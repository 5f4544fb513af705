// The ways in which a product can be computed: whether each is right, and how long it takes.
#include "check/product_shapes.h"

namespace transfusion::check {
namespace {

// y, or what is added to it, at some places, by each way of the product.
void check_ways(Run& run, const TimedProduct& p) {
  const auto [layout, M, N, K, dtype, size] = p;
  const ProductShape shape = p.shape();
  const Values a = run.random(shape.transpose_a ? Shape{K, M} : Shape{M, K}, dtype);
  const Values b = run.random(shape.transpose_b ? Shape{N, K} : Shape{K, N}, dtype);
  const Values before = run.random(shape.accumulate ? Shape{M, N} : Shape{1}, DType::f32);
  const In left = run.in(a), right = run.in(b);
  std::vector<i64> places;
  for (i64 i = 0; i < M * N; i += std::max<i64>(1, M * N / 10000) | 1) places.push_back(i);
  std::vector<double> reference(places.size());
  in_parallel(static_cast<i64>(places.size()), [&, N = N, M = M, K = K](i64 i) {
    const i64 m = places[i] / N, n = places[i] % N;
    for (i64 k = 0; k < K; ++k)
      reference[i] +=
          a[shape.transpose_a ? k * M + m : m * K + k] * b[shape.transpose_b ? n * K + k : k * N + n];
    if (shape.accumulate) reference[i] += before[places[i]];
  });
  for (const ProductTime& measured : run.measure_ways(shape, 1)) {
    ProductChoices choices;
    choices.set(shape, measured.way, true);
    run.use(&choices);
    if (shape.accumulate) {
      const Acc sum = run.acc(before);
      run.call(run.kernels().matmul_accumulate, sum, left, right, true, false);
      run.expect_some(sum, places, reference, Tolerance::reduction);
    } else {
      const Out y = run.out({M, N}, dtype);
      run.call(run.kernels().matmul, y, left, right, InOptional{}, shape.transpose_a, shape.transpose_b);
      run.expect_some(y, places, reference, Tolerance::reduction);
    }
    if (choices.list().size() != 1) throw std::runtime_error("the call was of another shape than the choice");
    run.use(nullptr);
  }
}

}  // namespace

void add_product_way_cases(Cases& cases) {
  const auto add = [&](const TimedProduct& p) {
    cases.push_back({"ways of " + p.name(), [=](Run& run) { check_ways(run, p); }, p.size});
  };
  for (const Layout layout : {Layout::nn, Layout::nt, Layout::tn, Layout::tn_accumulate}) {
    add({layout, 160, 136, 96, DType::bf16, Size::small});
    add({layout, 2048, 1536, 4096});
  }
  add({Layout::nt, 160, 136, 96, DType::f32, Size::small});
  add({Layout::nt, 1000, 1032, 776});
}

void add_product_way_times(Cases& cases) {
  constexpr int kSamples = 5;
  for (const TimedProduct& timed : timed_products())
    cases.push_back({timed.name(), [=](Run& run) { run.measure_ways(timed.shape(), kSamples); }, timed.size});
}

}  // namespace transfusion::check
