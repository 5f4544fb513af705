// y[t, c] = x[t, c] rstd[t] weight[c],  rstd[t] = 1 / sqrt(mean_c x[t, c]^2 + eps)
// Backward, with n = x rstd and g = dy weight:  dx = rstd (g - n mean_c(g n)),  dweight += sum_t dy n.
// A warp or a block for a row. Backward a fixed number of blocks work on row after row, each of which sums
// its rows' terms of dweight; their sums are then joined.
#include "kernel.h"
#include "row_threads.h"
#ifdef __CUDACC__
#include "device/column_gradients.cuh"
#else
#include <algorithm>

#include "column_sums.h"
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

struct RmsNormArguments {
  void* y;
  f32* rstd;
  const void *x, *weight;
  i64 rows, columns;
  f32 eps;
  bool vectors;
};

struct RmsNormBackwardArguments {
  void* dx;
  f32* dweight;  // [blocks, columns], or null
  const void *dy, *x, *weight;
  const f32* rstd;
  i64 rows, columns;
  bool vectors;
};

#ifdef __CUDACC__

template <class T, class Rows>
__device__ void rms_norm(const RmsNormArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C), row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const bool vectors = arguments.vectors;
  const T* source = static_cast<const T*>(arguments.x) + row * C;
  T* target = static_cast<T*>(arguments.y) + row * C;
  Tile x, weight;
  float squares = 0;
  for (i64 first = 0; first <= last; first += Rows::kColumns) {
    x.load(source, first, C, vectors);
    Tile::for_each([&](int run, int i) { squares += x.values[run][i] * x.values[run][i]; });
  }
  squares = reduce_row<Rows>(squares, Sum());
  const float rstd = 1 / sqrtf(squares / static_cast<float>(C) + arguments.eps);
  if (leads_row<Rows>()) arguments.rstd[row] = rstd;
  // From the last tile, which is still held, to the first.
  for (i64 first = last; first >= 0; first -= Rows::kColumns) {
    if (first != last) x.load(source, first, C, vectors);
    weight.load(static_cast<const T*>(arguments.weight), first, C, vectors);
    Tile::for_each([&](int run, int i) { x.values[run][i] *= rstd * weight.values[run][i]; });
    x.store(target, first, C, vectors);
  }
}

template <class T, class Rows>
__device__ void rms_norm_backward(const RmsNormBackwardArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C);
  const bool vectors = arguments.vectors;
  ColumnGradients<T, Rows> dweight(arguments.dweight, C, vectors);
  for (i64 row = first_row<Rows>(); row < arguments.rows; row += row_step<Rows>()) {
    const float rstd = arguments.rstd[row];
    // n, and g once body(run, i, n, dy) has seen dy.
    Tile normal, g;
    const auto load = [&](i64 first, const auto& body) {
      normal.load(static_cast<const T*>(arguments.x) + row * C, first, C, vectors);
      g.load(static_cast<const T*>(arguments.dy) + row * C, first, C, vectors);
#pragma unroll
      for (int run = 0; run < Tile::kRuns; ++run) {
        const i64 begin = first + Tile::column(run);
        float weight[Tile::kRun];
        load_run(weight, static_cast<const T*>(arguments.weight) + begin, C - begin, vectors);
#pragma unroll
        for (int i = 0; i < Tile::kRun; ++i) {
          const float n = normal.values[run][i] * rstd, dy = g.values[run][i];
          body(run, i, n, dy);
          normal.values[run][i] = n;
          g.values[run][i] = dy * weight[i];
        }
      }
    };
    float products = 0;
    for (i64 first = 0; first <= last; first += Rows::kColumns) {
      load(first, [&](int run, int i, float n, float dy) { dweight.add(run, i, dy * n); });
      Tile::for_each([&](int run, int i) { products += g.values[run][i] * normal.values[run][i]; });
      dweight.end_tile(first);
    }
    const float mean = reduce_row<Rows>(products, Sum()) / static_cast<float>(C);
    for (i64 first = last; first >= 0; first -= Rows::kColumns) {
      if (first != last) load(first, [](int, int, float, float) {});
      Tile::for_each([&](int run, int i) {
        g.values[run][i] = rstd * (g.values[run][i] - normal.values[run][i] * mean);
      });
      g.store(static_cast<T*>(arguments.dx) + row * C, first, C, vectors);
    }
  }
  dweight.finish();
}

ROW_KERNELS(rms_norm, RmsNormArguments)
ROW_KERNELS(rms_norm_backward, RmsNormBackwardArguments)

#else

ROW_KERNELS(forward, RmsNormArguments, "rms_norm", "rms_norm")
ROW_KERNELS(backward, RmsNormBackwardArguments, "rms_norm", "rms_norm_backward")

Status rms_norm(Context& context, Out y, Out rstd, In x, In weight, f32 eps) {
  const i64 rows = x.rows(), C = x.dim(-1);
  const bool vectors = aligned_rows({y.data, x.data, weight.data}, C, x.dtype);
  return launch(context, forward(x.dtype, C), {row_blocks(rows, C)},
                {y.data, rstd.as<f32>(), x.data, weight.data, rows, C, eps, vectors});
}

Status rms_norm_backward(Context& context, Out dx, Acc dweight, In dy, In x, In weight, In rstd) {
  const i64 rows = x.rows(), C = x.dim(-1);
  const bool vectors = aligned_rows({dx.data, dy.data, x.data, weight.data}, C, x.dtype);
  const i64 blocks = std::min(row_blocks(rows, C), kGradientBlocks);
  f32* partials = dweight.present() ? context.scratch<f32>(blocks * C) : nullptr;
  const Status status =
      launch(context, backward(x.dtype, C), {blocks},
             {dx.data, partials, dy.data, x.data, weight.data, rstd.as<f32>(), rows, C, vectors});
  if (status.failed || !dweight.present()) return status;
  return add_column_sums(context, dweight.as<f32>(), partials, DType::f32, blocks, C);
}

#endif

}  // namespace transfusion::cuda
