// y_i = exp(x_i - max x) / sum_j exp(x_j - max x) over the last axis.  Backward: dx = y (dy - sum_j dy_j
// y_j). A warp or a block for a row. Kept for backward: y.
#include "kernel.h"
#include "row_threads.h"
#ifdef __CUDACC__
#include "device/exponents.cuh"
#else
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

struct SoftmaxArguments {
  void* y;
  const void* x;
  i64 rows, columns;
  bool vectors;
};

struct SoftmaxBackwardArguments {
  void* dx;
  const void *dy, *y;
  i64 rows, columns;
  bool vectors;
};

#ifdef __CUDACC__

template <class T, class Rows>
__device__ void softmax(const SoftmaxArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C), row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const bool vectors = arguments.vectors;
  const T* source = static_cast<const T*>(arguments.x) + row * C;
  Tile x;
  Exponents exponents;
  for (i64 first = 0; first <= last; first += Rows::kColumns) {
    x.load(source, first, C, vectors, -INFINITY);
    add_exponents(exponents, x);
  }
  exponents = reduce_exponents<Rows>(exponents);
  const float share = 1 / exponents.sum;
  // From the last tile, which is still held, to the first.
  for (i64 first = last; first >= 0; first -= Rows::kColumns) {
    if (first != last) x.load(source, first, C, vectors);
    Tile::for_each(
        [&](int run, int i) { x.values[run][i] = exp_for<T>(x.values[run][i] - exponents.largest) * share; });
    x.store(static_cast<T*>(arguments.y) + row * C, first, C, vectors);
  }
}

template <class T, class Rows>
__device__ void softmax_backward(const SoftmaxBackwardArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C), row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const bool vectors = arguments.vectors;
  Tile y, dy;
  const auto load = [&](i64 first) {
    y.load(static_cast<const T*>(arguments.y) + row * C, first, C, vectors);
    dy.load(static_cast<const T*>(arguments.dy) + row * C, first, C, vectors);
  };
  float products = 0;
  for (i64 first = 0; first <= last; first += Rows::kColumns) {
    load(first);
    Tile::for_each([&](int run, int i) { products += dy.values[run][i] * y.values[run][i]; });
  }
  const float mean = reduce_row<Rows>(products, Sum());
  for (i64 first = last; first >= 0; first -= Rows::kColumns) {
    if (first != last) load(first);
    Tile::for_each([&](int run, int i) { y.values[run][i] *= dy.values[run][i] - mean; });
    y.store(static_cast<T*>(arguments.dx) + row * C, first, C, vectors);
  }
}

ROW_KERNELS(softmax, SoftmaxArguments)
ROW_KERNELS(softmax_backward, SoftmaxBackwardArguments)

#else

ROW_KERNELS(forward, SoftmaxArguments, "softmax", "softmax")
ROW_KERNELS(backward, SoftmaxBackwardArguments, "softmax", "softmax_backward")

Status softmax(Context& context, Out y, In x) {
  const i64 rows = x.rows(), C = x.dim(-1);
  return launch(context, forward(x.dtype, C), {row_blocks(rows, C)},
                {y.data, x.data, rows, C, aligned_rows({y.data, x.data}, C, x.dtype)});
}

Status softmax_backward(Context& context, Out dx, In dy, In y) {
  const i64 rows = y.rows(), C = y.dim(-1);
  return launch(context, backward(y.dtype, C), {row_blocks(rows, C)},
                {dx.data, dy.data, y.data, rows, C, aligned_rows({dx.data, dy.data, y.data}, C, y.dtype)});
}

#endif

}  // namespace transfusion::cuda
