#include "check/gpu.h"

namespace transfusion::check {
namespace {

// y[outer, n, inner] of x[outer, m, inner]: f(o, m, i) for each of it.
void check_sums(Run& run, DType dtype) {
  // Reduced axes: rows, the innermost, one in the middle.
  constexpr i64 A = 37, B = 5, C = 66;
  const Values x = run.random({A, B, C}, dtype);
  const In xs = run.in(x);
  struct Reduction {
    Shape shape;
    i64 a, b, c;  // strides in the result, 0 where reduced
  };
  for (const auto& [shape, a, b, c] :
       {Reduction{{1, B, C}, 0, C, 1}, {{A, B, 1}, B, 1, 0}, {{A, 1, C}, C, 0, 1}, {{1, 1, 1}, 0, 0, 0}}) {
    const Out y = run.out(shape, dtype), back = run.out(x.shape, dtype);
    run.call(run.kernels().sum_to, y, xs, 0.5f);
    run.call(run.kernels().broadcast_to, back, as_in(y), 2.f);
    std::vector<double> sums(static_cast<size_t>(elements_of(shape))), spread;
    const auto place = [&](i64 i) { return i / (B * C) * a + i / C % B * b + i % C * c; };
    for (i64 i = 0; i < A * B * C; ++i) sums[place(i)] += 0.5 * x[i];
    run.expect(y, sums, Tolerance::reduction);
    const Values held = run.read(y);
    for (i64 i = 0; i < A * B * C; ++i) spread.push_back(2 * held[place(i)]);
    run.expect(back, spread, Tolerance::elementwise);
  }
}

void check_concat(Run& run, DType dtype, i64 inner) {
  constexpr i64 kOuter = 7, kSizes[] = {3, 1, 5}, kAll = 9;
  std::vector<Values> parts;
  std::vector<In> views;
  for (const i64 size : kSizes) parts.push_back(run.random({kOuter, size, inner}, dtype));
  for (const Values& part : parts) views.push_back(run.in(part));
  const Out whole = run.out({kOuter, kAll, inner}, dtype);
  run.call(run.kernels().concat, whole, InList{views.data(), static_cast<i64>(views.size())});
  std::vector<double> expected;
  for (i64 o = 0; o < kOuter; ++o)
    for (const Values& part : parts)
      for (i64 i = 0; i < part.shape[1] * inner; ++i) expected.push_back(part[o * part.shape[1] * inner + i]);
  run.expect(whole, expected, Tolerance::exact);
  const Out part = run.out({kOuter, 5, inner}, dtype);
  run.call(run.kernels().slice, part, as_in(whole), i64{4});
  run.expect(part, parts[2].data, Tolerance::exact);
}

void check_transpose(Run& run, DType dtype, i64 rows, i64 columns) {
  const Values x = run.random({5, rows, columns}, dtype);
  const Out y = run.out({5, columns, rows}, dtype);
  run.call(run.kernels().transpose, y, run.in(x), i64{1}, i64{2});
  std::vector<double> reference;
  for (i64 b = 0; b < 5; ++b)
    for (i64 j = 0; j < columns; ++j)
      for (i64 i = 0; i < rows; ++i) reference.push_back(x[(b * rows + i) * columns + j]);
  run.expect(y, reference, Tolerance::exact);
}

void check_sum_rows(Run& run, DType dtype, i64 rows, i64 columns) {
  const Values x = run.random({rows, columns}, dtype), before = run.random({columns}, DType::f32);
  const Acc sum = run.acc(before);
  run.call(run.kernels().sum_rows, sum, run.in(x));
  std::vector<double> reference = before.data;
  for (i64 i = 0; i < rows * columns; ++i) reference[i % columns] += x[i];
  run.expect(sum, reference, Tolerance::reduction);
}

}  // namespace

void add_layout_cases(Cases& cases) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string suffix = std::string(", ") + name_of(dtype);
    cases.push_back({"sum_to, broadcast_to [37, 5, 66]" + suffix, [=](Run& run) { check_sums(run, dtype); }});
    for (const i64 inner : {16, 3})
      cases.push_back({"concat, slice [7, 9, " + std::to_string(inner) + "]" + suffix,
                       [=](Run& run) { check_concat(run, dtype, inner); }});
    struct Plane {
      i64 rows, columns;
      Size size;
    };
    for (const auto& [rows, columns, size] :
         {Plane{33, 65, Size::small}, {64, 128, Size::small}, {4096, 2051, Size::real}}) {
      const std::string shape = std::to_string(rows) + ", " + std::to_string(columns) + "]" + suffix;
      cases.push_back(
          {"transpose [5, " + shape, [=](Run& run) { check_transpose(run, dtype, rows, columns); }, size});
      cases.push_back(
          {"sum_rows [" + shape, [=](Run& run) { check_sum_rows(run, dtype, rows, columns); }, size});
    }
  }
}

}  // namespace transfusion::check
