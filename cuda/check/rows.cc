#include <algorithm>
#include <numeric>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

// A table [R, C], and T rows of it; -1 is none.
struct Table {
  i64 R, T, C;
  Size size;
};

void check_rows(Run& run, const Table& shape, DType dtype) {
  const auto [R, T, C, size] = shape;
  const Values table = run.random({R, C}, dtype), rows = run.random_integers({T}, -1, R - 1);
  const Values dy = run.random({T, C}, dtype), before = run.random({R, C}, DType::f32);
  const Values before_own = run.random({R, C}, dtype);
  const Out y = run.out({T, C}, dtype), gathered = run.out({T, C}, dtype);
  const Acc gradient = run.acc(before);
  const InOut sums = run.in_out(before), own_sums = run.in_out(before_own);
  const In ids = run.in(rows), tables = run.in(table), dys = run.in(dy);
  run.call(run.kernels().embedding, y, as_in_any(tables), ids);
  run.call(run.kernels().gather_rows, gathered, tables, ids);
  run.call(run.kernels().embedding_backward, gradient, dys, ids);
  run.call(run.kernels().scatter_add_rows, sums, dys, ids);
  run.call(run.kernels().scatter_add_rows, own_sums, dys, ids);
  std::vector<double> expected(T * C), added = before.data, own_added = before_own.data;
  for (i64 t = 0; t < T; ++t)
    for (i64 c = 0; c < C && rows[t] >= 0; ++c) {
      const i64 place = static_cast<i64>(rows[t]) * C + c;
      expected[t * C + c] = table[place];
      added[place] += dy[t * C + c];
      own_added[place] += dy[t * C + c];
    }
  run.expect(y, expected, Tolerance::exact);
  run.expect(gathered, expected, Tolerance::exact);
  run.expect(gradient, added, Tolerance::reduction);
  run.expect(sums, added, Tolerance::reduction);
  run.expect(own_sums, own_added, Tolerance::reduction);
}

// Each row at most once, as slots of a cache are written.
void check_write(Run& run, const Table& shape, DType dtype) {
  const auto [R, T, C, size] = shape;
  std::vector<i64> places(R);
  std::iota(places.begin(), places.end(), 0);
  std::shuffle(places.begin(), places.end(), std::mt19937_64(7));
  const i64 count = std::min(R, T);
  Values rows = Run::zeros({count}, DType::i32);
  for (i64 t = 0; t < count; ++t) rows[t] = t % 7 == 3 ? -1 : static_cast<double>(places[t]);
  const Values before = run.random({R, C}, dtype), x = run.random({count, C}, dtype);
  const InOut y = run.in_out(before);
  run.call(run.kernels().write_rows, y, run.in(x), run.in(rows));
  std::vector<double> expected = before.data;
  for (i64 t = 0; t < count; ++t)
    for (i64 c = 0; c < C && rows[t] >= 0; ++c) expected[static_cast<i64>(rows[t]) * C + c] = x[t * C + c];
  run.expect(y, expected, Tolerance::exact);
}

}  // namespace

void add_row_cases(Cases& cases) {
  // Few rows that many name, rows of no vector, a vocabulary.
  constexpr Table kTables[] = {
      {29, 53, 72, Size::small}, {5, 300, 33, Size::small}, {50304, 4096, 768, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Table& shape : kTables) {
      const std::string suffix = " [" + std::to_string(shape.T) + " of " + std::to_string(shape.R) + ", " +
                                 std::to_string(shape.C) + "], " + name_of(dtype);
      cases.push_back({"embedding, backward, gather_rows, scatter_add_rows" + suffix,
                       [=](Run& run) { check_rows(run, shape, dtype); }, shape.size});
      cases.push_back({"write_rows" + suffix, [=](Run& run) { check_write(run, shape, dtype); }, shape.size});
    }
}

}  // namespace transfusion::check
