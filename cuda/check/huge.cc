// Tensors beyond 2^31 bytes, and beyond 2^31 elements: what they hold is made on the GPU, and some rows are
// looked at.
#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

// The first rows, those on both sides of 2^31 bytes and of 2^32, and the last, of a tensor [rows, C].
std::vector<i64> looked_at(const TensorView& x) {
  const i64 rows = x.shape[0], bytes = static_cast<i64>(x.bytes()) / rows;
  std::vector<i64> first{0, rows - 2};
  for (const i64 edge : {i64{1} << 31, i64{1} << 32})
    if (edge / bytes + 1 < rows) first.push_back(edge / bytes - 1);
  return first;
}

// compare(first, count): reads what it needs of two rows.
template <class Compare>
void for_rows(const TensorView& x, const Compare& compare) {
  for (const i64 first : looked_at(x)) compare(first, i64{2});
}

void check_rms_norm(Run& run, i64 T, i64 C, DType dtype) {
  const Out x = run.noise({T, C}, dtype), y = run.out({T, C}, dtype), rstd = run.out({T}, DType::f32);
  const Values weight = run.random({C}, dtype);
  run.call_once(run.kernels().rms_norm, y, rstd, as_in(x), run.in(weight), 1e-5f);
  for_rows(x, [&](i64 first, i64 count) {
    const Values in = run.read(rows_of(x, first, count));
    std::vector<double> expected;
    for (i64 t = 0; t < count; ++t) {
      double squares = 0;
      for (i64 c = 0; c < C; ++c) squares += in[t * C + c] * in[t * C + c];
      for (i64 c = 0; c < C; ++c)
        expected.push_back(in[t * C + c] / std::sqrt(squares / static_cast<double>(C) + 1e-5) * weight[c]);
    }
    run.expect(rows_of(y, first, count), expected, Tolerance::reduction);
  });
}

void check_add(Run& run, i64 T, i64 C, DType dtype) {
  const Out a = run.noise({T, C}, dtype), b = run.noise({T, C}, dtype), y = run.out({T, C}, dtype);
  run.call_once(run.kernels().add, y, as_in(a), as_in(b));
  for_rows(a, [&](i64 first, i64 count) {
    std::vector<double> expected = run.read(rows_of(a, first, count)).data;
    const Values other = run.read(rows_of(b, first, count));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += other.data[i];
    run.expect(rows_of(y, first, count), expected, Tolerance::elementwise);
  });
}

// Logits of a long batch.
void check_cross_entropy(Run& run, i64 T, i64 V, DType dtype) {
  const Out logits = run.noise({T, V}, dtype), losses = run.out({T}, DType::f32),
            lse = run.out({T}, DType::f32), dlogits = run.out({T, V}, dtype);
  const Values labels = run.random_integers({T}, 0, V - 1);
  const In label_view = run.in(labels), ones = run.in(Values{{T}, DType::f32, std::vector<double>(T, 1)});
  run.call_once(run.kernels().cross_entropy, losses, OutOptional{}, lse, as_in(logits), label_view,
                InOptional{}, 0.f, 0.f);
  run.call_once(run.kernels().cross_entropy_backward, dlogits, ones, InOptional{}, as_in(logits), as_in(lse),
                label_view, InOptional{}, 0.f, 0.f);
  for_rows(logits, [&](i64 first, i64 count) {
    const Values row = run.read(rows_of(logits, first, count));
    std::vector<double> expected, gradients;
    for (i64 t = 0; t < count; ++t) {
      double sum = 0;
      const auto label = static_cast<i64>(labels[first + t]);
      for (i64 v = 0; v < V; ++v) sum += std::exp(row[t * V + v]);
      expected.push_back(std::log(sum) - row[t * V + label]);
      for (i64 v = 0; v < V; ++v) gradients.push_back(std::exp(row[t * V + v]) / sum - (v == label));
    }
    run.expect(rows_of(losses, first, count), expected, Tolerance::reduction);
    run.expect(rows_of(dlogits, first, count), gradients, Tolerance::reduction);
  });
}

// y = a b^T, a and y beyond 2^31 bytes.
void check_matmul(Run& run, i64 M, i64 N, i64 K) {
  const Out a = run.noise({M, K}, DType::bf16), b = run.noise({N, K}, DType::bf16),
            y = run.out({M, N}, DType::bf16);
  run.call_once(run.kernels().matmul, y, as_in(a), as_in(b), InOptional{}, false, true);
  const Values right = run.read(b);
  for_rows(y, [&](i64 first, i64 count) {
    const Values left = run.read(rows_of(a, first, count));
    std::vector<double> expected(static_cast<size_t>(count * N));
    in_parallel(count * N, [&](i64 i) {
      for (i64 k = 0; k < K; ++k) expected[i] += left[i / N * K + k] * right[i % N * K + k];
    });
    run.expect(rows_of(y, first, count), expected, Tolerance::reduction);
  });
}

}  // namespace

void add_huge_cases(Cases& cases) {
  // [rows, 2048] of bf16: 2^31 elements and a few more; a small one for the case itself.
  for (const auto& [T, size] : {std::pair{i64{7}, Size::small}, {(i64{1} << 20) + 5, Size::huge}}) {
    const i64 C = size == Size::huge ? 2048 : 96;
    const std::string shape = " [" + std::to_string(T) + ", " + std::to_string(C) + "]";
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const std::string suffix = shape + " of noise, " + name_of(dtype);
      cases.push_back(
          {"rms_norm" + suffix, [=, T = T](Run& run) { check_rms_norm(run, T, C, dtype); }, size});
      cases.push_back({"add" + suffix, [=, T = T](Run& run) { check_add(run, T, C, dtype); }, size});
    }
  }
  for (const auto& [T, V, size] :
       {std::tuple{i64{7}, i64{300}, Size::small}, {i64{43000}, i64{50304}, Size::huge}})
    cases.push_back(
        {"cross_entropy and backward [" + std::to_string(T) + ", " + std::to_string(V) + "] of noise, bf16",
         [=, T = T, V = V](Run& run) { check_cross_entropy(run, T, V, DType::bf16); }, size});
  for (const auto& [M, N, K, size] : {std::tuple{i64{70}, i64{40}, i64{48}, Size::small},
                                      {(i64{1} << 20) + 7, i64{2304}, i64{2048}, Size::huge}})
    cases.push_back({"matmul [" + std::to_string(M) + ", " + std::to_string(N) + ", " + std::to_string(K) +
                         "] of noise, bf16",
                     [=, M = M, N = N, K = K](Run& run) { check_matmul(run, M, N, K); }, size});
}

}  // namespace transfusion::check
