// y[t, c] = f(h),  h = n weight[c] + bias[c],  n = (x[t, c] - mean[t]) rstd[t],  f silu or nothing
// mean[t] = mean_c x[t, c],  rstd[t] = 1 / sqrt(mean_c (x[t, c] - mean[t])^2 + eps)
// Backward, with dh = dy f'(h) and g = dh weight:  dx = rstd (g - mean_c(g) - n mean_c(g n)),
// dweight += sum_t dh n,  dbias += sum_t dh.
// A warp or a block for a row. Backward a fixed number of blocks work on row after row, each of which sums
// its rows' terms of dweight and dbias; their sums are then joined.
#include "kernel.h"
#include "row_threads.h"
#ifdef __CUDACC__
#include "device/activation.cuh"
#include "device/column_gradients.cuh"
#else
#include <algorithm>

#include "column_sums.h"
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

struct LayerNormArguments {
  void* y;
  f32 *mean, *rstd;
  const void *x, *weight, *bias;
  i64 rows, columns;
  f32 eps;
  bool silu, vectors;
};

struct LayerNormBackwardArguments {
  void* dx;
  f32 *dweight, *dbias;  // [blocks, columns], or null
  const void *dy, *x, *weight, *bias;
  const f32 *mean, *rstd;
  i64 rows, columns;
  bool silu, vectors;
};

#ifdef __CUDACC__

template <class T, class Rows>
__device__ void layer_norm(const LayerNormArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C), row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const bool vectors = arguments.vectors;
  const T* source = static_cast<const T*>(arguments.x) + row * C;
  Tile x;
  float sum = 0;
  for (i64 first = 0; first <= last; first += Rows::kColumns) {
    x.load(source, first, C, vectors);
    Tile::for_each([&](int run, int i) { sum += x.values[run][i]; });
  }
  const float mean = reduce_row<Rows>(sum, Sum()) / static_cast<float>(C);
  // Back and forth, so that the tile that was read last is still held.
  float squares = 0;
  for (i64 first = last; first >= 0; first -= Rows::kColumns) {
    if (first != last) x.load(source, first, C, vectors);
    Tile::for_each([&](int run, int i) {
      const float distance = x.values[run][i] - mean;
      if (first + Tile::column(run) + i < C) squares += distance * distance;
    });
  }
  squares = reduce_row<Rows>(squares, Sum());
  const float rstd = 1 / sqrtf(squares / static_cast<float>(C) + arguments.eps);
  if (leads_row<Rows>()) {
    arguments.mean[row] = mean;
    arguments.rstd[row] = rstd;
  }
  for (i64 first = 0; first <= last; first += Rows::kColumns) {
    if (first != 0) x.load(source, first, C, vectors);
    Tile weight, bias;
    weight.load(static_cast<const T*>(arguments.weight), first, C, vectors);
    bias.load(static_cast<const T*>(arguments.bias), first, C, vectors);
    Tile::for_each([&](int run, int i) {
      const float normal = (x.values[run][i] - mean) * rstd;
      const float h = normal * weight.values[run][i] + bias.values[run][i];
      x.values[run][i] = arguments.silu ? h * sigmoid(h) : h;
    });
    x.store(static_cast<T*>(arguments.y) + row * C, first, C, vectors);
  }
}

template <class T, class Rows>
__device__ void layer_norm_backward(const LayerNormBackwardArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 C = arguments.columns, last = last_tile<Rows>(C);
  const bool vectors = arguments.vectors, silu = arguments.silu;
  ColumnGradients<T, Rows> dweight(arguments.dweight, C, vectors), dbias(arguments.dbias, C, vectors);
  for (i64 row = first_row<Rows>(); row < arguments.rows; row += row_step<Rows>()) {
    const float mean = arguments.mean[row], rstd = arguments.rstd[row];
    // n, and g once body(run, i, dh) has seen dh.
    Tile normal, g;
    const auto load = [&](i64 first, const auto& body) {
      normal.load(static_cast<const T*>(arguments.x) + row * C, first, C, vectors, mean);
      g.load(static_cast<const T*>(arguments.dy) + row * C, first, C, vectors);
#pragma unroll
      for (int run = 0; run < Tile::kRuns; ++run) {
        const i64 begin = first + Tile::column(run);
        float weight[Tile::kRun], bias[Tile::kRun];
        load_run(weight, static_cast<const T*>(arguments.weight) + begin, C - begin, vectors);
        if (silu) load_run(bias, static_cast<const T*>(arguments.bias) + begin, C - begin, vectors);
#pragma unroll
        for (int i = 0; i < Tile::kRun; ++i) {
          const float n = (normal.values[run][i] - mean) * rstd;
          float dh = g.values[run][i];
          if (silu) {
            const float h = n * weight[i] + bias[i];
            dh *= silu_slope(h, sigmoid(h));
          }
          body(run, i, n, dh);
          normal.values[run][i] = n;
          g.values[run][i] = dh * weight[i];
        }
      }
    };
    float sums[2] = {};  // of g and of g n
    for (i64 first = 0; first <= last; first += Rows::kColumns) {
      load(first, [&](int run, int i, float n, float dh) {
        dweight.add(run, i, dh * n);
        dbias.add(run, i, dh);
      });
      // All products are rounded before they are added, so that those that cancel each other still do.
      Tile::for_each([&](int run, int i) {
        sums[0] += g.values[run][i];
        sums[1] += __fmul_rn(g.values[run][i], normal.values[run][i]);
      });
      dweight.end_tile(first);
      dbias.end_tile(first);
    }
    reduce_row<Rows>(sums, Sum());
    const float mean_g = sums[0] / static_cast<float>(C), mean_product = sums[1] / static_cast<float>(C);
    for (i64 first = last; first >= 0; first -= Rows::kColumns) {
      if (first != last) load(first, [](int, int, float, float) {});
      Tile::for_each([&](int run, int i) {
        g.values[run][i] = rstd * (g.values[run][i] - mean_g - normal.values[run][i] * mean_product);
      });
      g.store(static_cast<T*>(arguments.dx) + row * C, first, C, vectors);
    }
  }
  dweight.finish();
  dbias.finish();
}

ROW_KERNELS(layer_norm, LayerNormArguments)
ROW_KERNELS(layer_norm_backward, LayerNormBackwardArguments)

#else

ROW_KERNELS(forward, LayerNormArguments, "layer_norm", "layer_norm")
ROW_KERNELS(backward, LayerNormBackwardArguments, "layer_norm", "layer_norm_backward")

Status layer_norm(Context& context, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  const i64 rows = x.rows(), C = x.dim(-1);
  const bool vectors = aligned_rows({y.data, x.data, weight.data, bias.data}, C, x.dtype);
  return launch(
      context, forward(x.dtype, C), {row_blocks(rows, C)},
      {y.data, mean.as<f32>(), rstd.as<f32>(), x.data, weight.data, bias.data, rows, C, eps, silu, vectors});
}

Status layer_norm_backward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                           In mean, In rstd, bool silu) {
  const i64 rows = x.rows(), C = x.dim(-1);
  const bool vectors = aligned_rows({dx.data, dy.data, x.data, weight.data, bias.data}, C, x.dtype);
  const i64 blocks = std::min(row_blocks(rows, C), kGradientBlocks);
  const auto partials = [&](const Acc& target) {
    return target.present() ? context.scratch<f32>(blocks * C) : nullptr;
  };
  const LayerNormBackwardArguments arguments{
      dx.data,   partials(dweight), partials(dbias), dy.data, x.data, weight.data,
      bias.data, mean.as<f32>(),    rstd.as<f32>(),  rows,    C,      silu,
      vectors};
  Status status = launch(context, backward(x.dtype, C), {blocks}, arguments);
  const auto add = [&](const Acc& target, const f32* sums) {
    if (!status.failed && target.present())
      status = add_column_sums(context, target.as<f32>(), sums, DType::f32, blocks, C);
  };
  add(dweight, arguments.dweight);
  add(dbias, arguments.dbias);
  return status;
}

#endif

}  // namespace transfusion::cuda
