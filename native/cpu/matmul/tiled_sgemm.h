// y = a b (+ y), all f32, for CPUs where oneDNN's multi-threaded products split sums by threads: each tile of
// y is a product on one thread, and tiles are cut by shape alone.
#pragma once

#include <omp.h>

#include <algorithm>

#include "cpu/runtime/onednn.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"
#include "kernel_types.h"

namespace transfusion::cpu {

struct Sgemm {
  i64 batch, m, n, k;
  bool transpose_a, transpose_b, accumulate;
};

// Rows or columns of y, cut into multiples of a vector.
inline Partition sgemm_partition(i64 size, i64 max_tile) { return {size, max_tile, 8}; }

// The largest tiles, which were measured to be the fastest, of which there are enough for many threads.
inline i64 sgemm_tile(const Sgemm& p) {
  const auto tiles = [&](i64 max_tile) {
    return p.batch * sgemm_partition(p.m, max_tile).count * sgemm_partition(p.n, max_tile).count;
  };
  if (tiles(192) >= 16) return 192;
  return tiles(128) >= 8 ? 128 : 64;
}

// An operand, K-major or MN-major. oneDNN reads tiles of an MN-major operand where they lie; a stride of a
// multiple of 1 KiB maps their rows to few sets of the caches, which takes up to twice as long: such tiles
// are packed first.
struct SgemmOperand {
  static constexpr i64 kDepth = 256;

  const float* data;
  i64 stride;
  bool mn_major;

  bool packs() const { return mn_major && stride % 256 == 0; }
  // The tile from depth_begin along K and from `begin` along M or N on.
  SgemmOperand tile(i64 depth_begin, i64 begin) const {
    return {data + (mn_major ? depth_begin * stride + begin : begin * stride + depth_begin), stride,
            mn_major};
  }
  SgemmOperand packed(float* to, i64 depth, i64 width) const {
    if (!packs()) return *this;
    for (i64 p = 0; p < depth; ++p) std::copy_n(data + p * stride, width, to + p * width);
    return {to, width, mn_major};
  }
};

// y [batch, m, n], a [batch, m, k], b [batch, k, n]; bias [n] or null.
inline Status tiled_sgemm(Context& context, const Sgemm& p, float* y, const float* a, const float* b,
                          const float* bias) {
  const i64 max_tile = sgemm_tile(p), packed_floats = SgemmOperand::kDepth * max_tile;
  const Partition rows = sgemm_partition(p.m, max_tile), columns = sgemm_partition(p.n, max_tile);
  float* scratch = context.scratch<float>(omp_get_max_threads() * 2 * packed_floats);
  bool failed = false;
#pragma omp parallel for schedule(dynamic, 1) reduction(|| : failed)
  for (i64 tile = 0; tile < p.batch * rows.count * columns.count; ++tile) {
    float* a_packed = scratch + omp_get_thread_num() * 2 * packed_floats;
    omp_set_num_threads(1);  // of this task: a team of one is not seen as a parallel region
    const i64 i = tile / columns.count % rows.count, j = tile % columns.count;
    const i64 matrix = tile / columns.count / rows.count;
    const SgemmOperand a_operand{a + matrix * p.m * p.k, p.transpose_a ? p.m : p.k, p.transpose_a};
    const SgemmOperand b_operand{b + matrix * p.k * p.n, p.transpose_b ? p.k : p.n, !p.transpose_b};
    float* y_tile = y + (matrix * p.m + rows.begin(i)) * p.n + columns.begin(j);
    if (bias)
      for (i64 r = 0; r < rows.width(i); ++r)
        std::copy_n(bias + columns.begin(j), columns.width(j), y_tile + r * p.n);
    const i64 step = a_operand.packs() || b_operand.packs() ? SgemmOperand::kDepth : p.k;
    for (i64 begin = 0; begin < p.k; begin += step) {
      const i64 depth = std::min(step, p.k - begin);
      const auto a_tile = a_operand.tile(begin, rows.begin(i)).packed(a_packed, depth, rows.width(i));
      const auto b_tile =
          b_operand.tile(begin, columns.begin(j)).packed(a_packed + packed_floats, depth, columns.width(j));
      const bool add = p.accumulate || bias || begin > 0;
      if (!onednn::multiply(p.transpose_a, p.transpose_b, rows.width(i), columns.width(j), depth, a_tile.data,
                            a_tile.stride, b_tile.data, b_tile.stride, add, y_tile, p.n))
        failed = true;
    }
  }
  return onednn::status_of_products(failed);
}

}  // namespace transfusion::cpu
