#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

constexpr i64 kRows = 29, kTokens = 53, kWidth = 72;

void check_rows(Run& run, DType dtype) {
  const Values table = run.random({kRows, kWidth}, dtype),
               rows = run.random_integers({kTokens}, -1, kRows - 1);
  const Values dy = run.random({kTokens, kWidth}, dtype), before = run.random({kRows, kWidth}, DType::f32);
  const Out y = run.out({kTokens, kWidth}, dtype);
  const Acc gradient = run.acc(before);
  const InOut sums = run.in_out(before);
  const In ids = run.in(rows), tables = run.in(table), dys = run.in(dy);
  run.call(run.kernels().embedding, y, tables, ids);
  run.call(run.kernels().embedding_backward, gradient, dys, ids);
  run.call(run.kernels().scatter_add_rows, sums, dys, ids);
  std::vector<double> expected(kTokens * kWidth), added = before.data;
  for (i64 t = 0; t < kTokens; ++t)
    for (i64 c = 0; c < kWidth && rows[t] >= 0; ++c) {
      const i64 place = static_cast<i64>(rows[t]) * kWidth + c;
      expected[t * kWidth + c] = table[place];
      added[place] += dy[t * kWidth + c];
    }
  run.expect(y, expected, Tolerance::exact);
  run.expect(gradient, added, Tolerance::reduction);
  run.expect(sums, added, Tolerance::reduction);
}

// Heads 2 of q, 1 of k and v each; every token at an angle of its own.
void check_rope(Run& run, DType dtype) {
  constexpr i64 T = 19, H = 2, G = 1, D = 16, kHalf = D / 2, kHeads = H + 2 * G;
  const Values qkv = run.random({T, kHeads, D}, dtype);
  Values table = Run::zeros({T, D});
  for (i64 t = 0; t < T; ++t)
    for (i64 d = 0; d < kHalf; ++d) {
      table[t * D + d] = round_to(DType::f32, std::cos(0.1 * t * (d + 1)));
      table[t * D + kHalf + d] = round_to(DType::f32, std::sin(0.1 * t * (d + 1)));
    }
  const Out q = run.out({T, H, D}, dtype), k = run.out({T, G, D}, dtype), v = run.out({T, G, D}, dtype);
  run.call(run.kernels().split_rope, q, k, v, run.in(qkv), run.in(table));
  std::vector<double> values;
  for (i64 t = 0; t < T; ++t)
    for (i64 d = 0; d < D; ++d) values.push_back(qkv[(t * kHeads + H + G) * D + d]);
  run.expect(v, values, Tolerance::exact);
  // A rotation keeps the length of each pair, whichever elements are a pair.
  double before = 0, after = 0;
  for (i64 t = 0; t < T; ++t)
    for (i64 i = 0; i < H * D; ++i) before += std::pow(qkv[t * kHeads * D + i], 2);
  for (const double value : run.read(q).data) after += value * value;
  if (std::abs(after / before - 1) > (dtype == DType::f32 ? 1e-5 : 1e-2))
    throw std::runtime_error("q has another length after it is turned");
}

}  // namespace

void add_row_cases(std::vector<Case>& cases) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    cases.push_back({"embedding, backward, scatter_add_rows, " + std::string(name_of(dtype)),
                     [=](Run& run) { check_rows(run, dtype); }});
    cases.push_back(
        {"split_rope, " + std::string(name_of(dtype)), [=](Run& run) { check_rope(run, dtype); }});
  }
}

}  // namespace transfusion::check
