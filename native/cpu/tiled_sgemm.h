// y = a b (+ y), all f32, for CPUs where oneDNN's threaded products divide sums by threads: each tile of y is
// a product on one thread, cut by shape alone.
#pragma once

#include <omp.h>

#include <oneapi/dnnl/dnnl.h>
#include <algorithm>

#include "kernel_types.h"

namespace transfusion::cpu {

struct Sgemm {
  i64 batch, m, n, k;
  bool transpose_a, transpose_b, accumulate;
};

// y [batch, m, n], a [batch, m, k], b [batch, k, n]; bias [n] or null.
inline Status tiled_sgemm(const Sgemm& p, float* y, const float* a, const float* b, const float* bias) {
  constexpr i64 kTile = 64;
  const i64 tile_rows = (p.m + kTile - 1) / kTile, tile_columns = (p.n + kTile - 1) / kTile;
  bool failed = false;
#pragma omp parallel for schedule(dynamic, 1) reduction(|| : failed)
  for (i64 tile = 0; tile < p.batch * tile_rows * tile_columns; ++tile) {
    omp_set_num_threads(1);  // of this task: a team of one is not seen as a parallel region
    const i64 row = tile / tile_columns % tile_rows * kTile, column = tile % tile_columns * kTile;
    const i64 rows = std::min(kTile, p.m - row), columns = std::min(kTile, p.n - column);
    const i64 matrix = tile / tile_columns / tile_rows;
    float* y_tile = y + (matrix * p.m + row) * p.n + column;
    if (bias)
      for (i64 i = 0; i < rows; ++i) std::copy_n(bias + column, columns, y_tile + i * p.n);
    const float* a_tile = a + matrix * p.m * p.k + (p.transpose_a ? row : row * p.k);
    const float* b_tile = b + matrix * p.k * p.n + (p.transpose_b ? column * p.k : column);
    const auto status = dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', rows, columns, p.k,
                                   1.0f, a_tile, p.transpose_a ? p.m : p.k, b_tile, p.transpose_b ? p.k : p.n,
                                   p.accumulate || bias ? 1.0f : 0.0f, y_tile, p.n);
    failed = failed || status != dnnl_success;
  }
  return failed ? fail("oneDNN could not compute a product of f32 matrices") : ok();
}

}  // namespace transfusion::cpu
