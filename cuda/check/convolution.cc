#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Convolution {
  i64 N, H, W, C, O, kernel, stride, padding, groups;
};

// Calls body(index in y, in x, in weight) for each product.
template <class Body>
void for_each_product(const Convolution& c, Body body) {
  const i64 rows = (c.H + 2 * c.padding - c.kernel) / c.stride + 1;
  const i64 columns = (c.W + 2 * c.padding - c.kernel) / c.stride + 1;
  const i64 inputs = c.C / c.groups, outputs = c.O / c.groups;
  for (i64 n = 0; n < c.N; ++n)
    for (i64 i = 0; i < rows; ++i)
      for (i64 j = 0; j < columns; ++j)
        for (i64 o = 0; o < c.O; ++o)
          for (i64 ki = 0; ki < c.kernel; ++ki)
            for (i64 kj = 0; kj < c.kernel; ++kj) {
              const i64 h = i * c.stride + ki - c.padding, w = j * c.stride + kj - c.padding;
              if (h < 0 || h >= c.H || w < 0 || w >= c.W) continue;
              for (i64 q = 0; q < inputs; ++q)
                body(((n * rows + i) * columns + j) * c.O + o,
                     ((n * c.H + h) * c.W + w) * c.C + o / outputs * inputs + q,
                     ((o * c.kernel + ki) * c.kernel + kj) * inputs + q);
            }
}

void check_convolution(Run& run, const Convolution& c, DType dtype) {
  const Shape y_shape{c.N, (c.H + 2 * c.padding - c.kernel) / c.stride + 1,
                      (c.W + 2 * c.padding - c.kernel) / c.stride + 1, c.O};
  const Values x = run.random({c.N, c.H, c.W, c.C}, dtype), dy = run.random(y_shape, dtype);
  const Values weight = run.random({c.O, c.kernel, c.kernel, c.C / c.groups}, dtype);
  const Values bias = run.random({c.O}, dtype), before = run.random(weight.shape, DType::f32);
  const Out y = run.out(y_shape, dtype), dx = run.out(x.shape, dtype);
  const Acc dweight = run.acc(before);
  const In xs = run.in(x), weights = run.in(weight), dys = run.in(dy);
  run.call(run.kernels().conv2d, y, xs, weights, run.in_optional(bias), InOptional{}, c.stride, c.padding,
           c.groups);
  run.call(run.kernels().conv2d_backward_input, dx, dys, weights, c.stride, c.padding, c.groups);
  run.call(run.kernels().conv2d_backward_weight, dweight, dys, xs, c.stride, c.padding, c.groups);
  std::vector<double> ys(dy.data.size()), dxs(x.data.size()), dweights = before.data;
  for (size_t i = 0; i < ys.size(); ++i) ys[i] = bias[static_cast<i64>(i) % c.O];
  for_each_product(c, [&](i64 at_y, i64 at_x, i64 at_weight) {
    ys[at_y] += x[at_x] * weight[at_weight];
    dxs[at_x] += dy[at_y] * weight[at_weight];
    dweights[at_weight] += dy[at_y] * x[at_x];
  });
  run.expect(y, ys, Tolerance::reduction);
  run.expect(dx, dxs, Tolerance::reduction);
  run.expect(dweight, dweights, Tolerance::reduction);
}

}  // namespace

void add_convolution_cases(std::vector<Case>& cases) {
  constexpr Convolution kShapes[] = {
      {2, 8, 9, 16, 24, 3, 1, 1, 1}, {1, 9, 9, 8, 8, 3, 2, 1, 2}, {2, 5, 5, 3, 5, 1, 1, 0, 1}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Convolution& c : kShapes)
      cases.push_back({"conv2d and backward " + std::to_string(c.C) + " to " + std::to_string(c.O) +
                           ", kernel " + std::to_string(c.kernel) + ", stride " + std::to_string(c.stride) +
                           ", " + name_of(dtype),
                       [=](Run& run) { check_convolution(run, c, dtype); }});
}

}  // namespace transfusion::check
