// How long kernels take on data as models have it. Counts of operations and bytes are the least that a call
// has to do: what it does besides is not counted.
#include <cmath>

#include "check/attention_shapes.h"
#include "check/product_shapes.h"

namespace transfusion::check {
namespace {

double bytes_of(std::initializer_list<TensorView> tensors) {
  double sum = 0;
  for (const TensorView& tensor : tensors) sum += static_cast<double>(tensor.bytes());
  return sum;
}

void time_product(Run& run, const TimedProduct& p) {
  const auto [layout, M, N, K, dtype, size] = p;
  const bool transpose_a = layout >= Layout::tn, transpose_b = layout == Layout::nt;
  const Out a = run.noise(transpose_a ? Shape{K, M} : Shape{M, K}, dtype);
  const Out b = run.noise(transpose_b ? Shape{N, K} : Shape{K, N}, dtype);
  Work work{2. * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K), bytes_of({a, b})};
  if (layout == Layout::tn_accumulate) {
    Acc sum;
    static_cast<TensorView&>(sum) = run.noise({M, N}, DType::f32);
    work.bytes += 2 * bytes_of({sum});
    return run.measure(work, run.kernels().matmul_accumulate, sum, as_in(a), as_in(b), true, false);
  }
  const Out y = run.out({M, N}, dtype);
  work.bytes += bytes_of({y});
  run.measure(work, run.kernels().matmul, y, as_in(a), as_in(b), InOptional{}, transpose_a, transpose_b);
}

// 4 D operations for each pair of a query and a key, forward; 10 backward (FlashAttention's count).
void time_attention(Run& run, const AttentionShape& a, bool backward, DType dtype) {
  const Spans spans(a);
  const Out q = run.noise({a.T, a.H, a.D}, dtype), k = run.noise({a.K, a.G, a.D}, dtype),
            v = run.noise({a.K, a.G, a.D}, dtype), y = run.out(Shape{a.T, a.H, a.D}, dtype),
            lse = run.out({a.H, a.T}, DType::f32);
  const In start = run.in(spans.key_start), end = run.in(spans.key_end),
           query_rows = run.in(spans.query_rows), key_rows = run.in(spans.key_rows);
  const auto scale = static_cast<f32>(1 / std::sqrt(static_cast<double>(a.D)));
  OutOptional y_lo;
  if (dtype == DType::bf16 && backward) static_cast<TensorView&>(y_lo) = run.out(Shape{a.T, a.H, a.D}, dtype);
  const double products = spans.pairs() * static_cast<double>(a.H * a.D);
  if (!backward)
    return run.measure({4 * products, bytes_of({q, k, v, y})}, run.kernels().attention, y, y_lo, lse,
                       as_in(q), as_in(k), as_in(v), start, end, query_rows, key_rows, scale);
  run.call_once(run.kernels().attention, y, y_lo, lse, as_in(q), as_in(k), as_in(v), start, end, query_rows,
                key_rows, scale);
  const Out dy = run.noise({a.T, a.H, a.D}, dtype), dq = run.out(Shape{a.T, a.H, a.D}, dtype),
            dk = run.out(Shape{a.K, a.G, a.D}, dtype), dv = run.out(Shape{a.K, a.G, a.D}, dtype);
  run.measure({10 * products, bytes_of({q, k, v, y, dy, dq, dk, dv})}, run.kernels().attention_backward, dq,
              dk, dv, as_in(dy), as_in(y), as_optional(y_lo), as_in(lse), as_in(q), as_in(k), as_in(v), start,
              end, query_rows, key_rows, scale);
}

}  // namespace

void add_product_times(Cases& cases) {
  for (const TimedProduct& timed : timed_products())
    cases.push_back({timed.name(), [=](Run& run) { time_product(run, timed); }, timed.size});
}

void add_attention_times(Cases& cases) {
  const auto add = [&](const AttentionShape& a, DType dtype, bool backward, Size size) {
    cases.push_back({(backward ? "attention_backward " : "attention ") + a.name() + ", " + name_of(dtype),
                     [=](Run& run) { time_attention(run, a, backward, dtype); }, size});
  };
  for (const bool backward : {false, true}) {
    add({96, 96, 2, 1, 64, 2}, DType::bf16, backward, Size::small);
    for (const AttentionShape& a : {AttentionShape{8192, 8192, 16, 16, 128, 2},
                                    {8192, 8192, 32, 32, 64, 2},
                                    {8192, 8192, 16, 16, 128, 1, true},
                                    {8192, 8192, 32, 32, 64, 1, true},
                                    {4096, 4096, 12, 12, 64, 4}})
      add(a, DType::bf16, backward, Size::real);
    add({4096, 4096, 12, 12, 64, 4}, DType::f32, backward, Size::real);
  }
  // Decoding.
  add({1, 8192, 16, 16, 128, 1}, DType::bf16, false, Size::real);
  add({16, 16 * 4096, 16, 16, 128, 16}, DType::bf16, false, Size::real);
}

}  // namespace transfusion::check
