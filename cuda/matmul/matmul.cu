// y [B, M, N] = a [B, M, K] b [B, K, N] + bias [N]; a transposed matrix is only loaded in another way.
// bf16 on tensor cores (device/mma_tile.cuh), f32 by multiply-adds (device/simt_tile.cuh). Weight gradients,
// whose K is long, may be split (split_k.h); no other sum of tiles is, so that a row of y is the same
// whatever rows are beside it. Up to 8 rows are computed by matmul_skinny.cu, in another order.
#include "matmul/product.h"
#include "matmul/tile_shapes.h"
#ifdef __CUDACC__
#include "device/mma_tile.cuh"
#include "device/simt_tile.cuh"
#else
#include <algorithm>
#include <climits>

#include "cuda_kernels.h"
#include "matmul/cublaslt_product.h"
#include "matmul/matmul_skinny.h"
#include "matmul/product_ways.h"
#include "matmul/split_k.h"
#endif

namespace transfusion::cuda {

struct MatmulArguments {
  Operand a, b;
  Output output;
  Partition partition;
  bool a_k_major, b_k_major, aligned;  // of f32; kernels of bf16 are made for each
};

#ifdef __CUDACC__

template <class Tile, bool kAKMajor, bool kBKMajor, int kUnit>
__device__ __forceinline__ void matmul_bf16(const MatmulArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  DenseLoader<Tile::kM, kAKMajor, Tile::kThreads, kUnit> a(arguments.a, place.matrix, place.row, partition.m,
                                                           place.k_begin, place.k_end);
  DenseLoader<Tile::kN, kBKMajor, Tile::kThreads, kUnit> b(arguments.b, place.matrix, place.column,
                                                           partition.n, place.k_begin, place.k_end);
  WarpSums<Tile> sums;
  multiply_tiles<Tile, kAKMajor, kBKMajor>(sums, a, b, k_tiles(place));
  store_tile(sums, arguments.output, partition, place);
}

template <class Tile>
__device__ __forceinline__ void matmul_f32(const MatmulArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  const DenseFloats a(arguments.a, arguments.a_k_major, arguments.aligned, place.matrix, partition.m,
                      place.k_end);
  const DenseFloats b(arguments.b, arguments.b_k_major, arguments.aligned, place.matrix, partition.n,
                      place.k_end);
  multiply_floats<Tile>(a, b, arguments.output, partition, place);
}

#define MATMUL_BF16(name, Tile, a_k_major, b_k_major, unit)                      \
  KERNEL(matmul_bf16_##name, MatmulArguments, Tile::kThreads, Tile::kResident) { \
    matmul_bf16<Tile, a_k_major, b_k_major, unit>(arguments);                    \
  }

// By layout of a and b: t where it lies [K, M], n [M, K]; n where b lies [K, N], t [N, K]. Rows that are no
// whole runs of 16 bytes are of words, of 4 bytes, or of single elements.
#define MATMUL_LAYOUTS(size, Tile, unit)          \
  MATMUL_BF16(nt_##size, Tile, true, true, unit)  \
  MATMUL_BF16(nn_##size, Tile, true, false, unit) \
  MATMUL_BF16(tn_##size, Tile, false, false, unit)
#define MATMUL_ALL_LAYOUTS(size, Tile, unit) \
  MATMUL_LAYOUTS(size, Tile, unit)           \
  MATMUL_BF16(tt_##size, Tile, false, true, unit)

MATMUL_LAYOUTS(large, LargeMmaTile, 16)
MATMUL_LAYOUTS(medium, MediumMmaTile, 16)
MATMUL_ALL_LAYOUTS(small, SmallMmaTile, 16)
MATMUL_LAYOUTS(words_medium, MediumMmaTile, 4)
MATMUL_ALL_LAYOUTS(words_small, SmallMmaTile, 4)
MATMUL_LAYOUTS(elements_medium, GatherMmaTile, 2)
MATMUL_ALL_LAYOUTS(elements_small, SmallElementsTile, 2)

KERNEL(matmul_f32_large, MatmulArguments, LargeSimtTile::kThreads) { matmul_f32<LargeSimtTile>(arguments); }
KERNEL(matmul_f32_small, MatmulArguments, SmallSimtTile::kThreads) { matmul_f32<SmallSimtTile>(arguments); }

#else

namespace {

using MatmulKernel = Kernel<MatmulArguments>;

enum Layout { kNT, kNN, kTN, kTT };
Layout layout_of(bool transpose_a, bool transpose_b) {
  if (transpose_a) return transpose_b ? kTT : kTN;
  return transpose_b ? kNT : kNN;
}

template <class Tile>
constexpr MatmulKernel kernel(const char* name) {
  return {"matmul", name, Tile::kThreads};
}

// By layout; of the larger tiles without TT, which no gradient needs.
#define MATMUL_LAYOUTS(size, Tile)                                            \
  kernel<Tile>("matmul_bf16_nt_" size), kernel<Tile>("matmul_bf16_nn_" size), \
      kernel<Tile>("matmul_bf16_tn_" size)
#define MATMUL_ALL_LAYOUTS(size, Tile) MATMUL_LAYOUTS(size, Tile), kernel<Tile>("matmul_bf16_tt_" size)
constexpr MatmulKernel kLarge[] = {MATMUL_LAYOUTS("large", LargeMmaTile)};
// By unit: 16 bytes, 4, 2.
constexpr MatmulKernel kMedium[][3] = {{MATMUL_LAYOUTS("medium", MediumMmaTile)},
                                       {MATMUL_LAYOUTS("words_medium", MediumMmaTile)},
                                       {MATMUL_LAYOUTS("elements_medium", GatherMmaTile)}};
constexpr MatmulKernel kSmall[][4] = {{MATMUL_ALL_LAYOUTS("small", SmallMmaTile)},
                                      {MATMUL_ALL_LAYOUTS("words_small", SmallMmaTile)},
                                      {MATMUL_ALL_LAYOUTS("elements_small", SmallElementsTile)}};
constexpr MatmulKernel kLargeF32 = kernel<LargeSimtTile>("matmul_f32_large");
constexpr MatmulKernel kSmallF32 = kernel<SmallSimtTile>("matmul_f32_small");

const MatmulKernel& kernel_of(const DenseProduct& product, Layout layout, TileChoice::Size size) {
  if (product.dtype == DType::f32) return size == TileChoice::kLarge ? kLargeF32 : kSmallF32;
  if (size == TileChoice::kLarge) return kLarge[layout];
  const i64 unit = product.unit();
  const int of_unit = unit == 16 ? 0 : unit == 4 ? 1 : 2;
  return size == TileChoice::kMedium ? kMedium[of_unit][layout] : kSmall[of_unit][layout];
}

}  // namespace

Status launch_product(Context& context, const DenseProduct& product) {
  const i64 m = product.m, n = product.n, k = product.k;
  if (const i64 largest = std::max({m, n, k}); largest > INT_MAX)
    return fail("matrices must have at most %d rows and columns, received %lld", INT_MAX,
                static_cast<long long>(largest));
  const ProductWay way = way_of(context, product);
  if (way.kind == ProductWay::library) return launch_library(context, product, way);

  MatmulArguments arguments{};
  arguments.a = {product.a, product.a_stride(), m * k};
  arguments.b = {product.b, product.b_stride(), k * n};
  arguments.a_k_major = !product.transpose_a;
  arguments.b_k_major = product.transpose_b;
  arguments.aligned = product.is_aligned();
  const Layout layout = layout_of(product.transpose_a, product.transpose_b);

  const bool may_split = product.transpose_a && !product.output.bias;
  const int wanted_splits = may_split ? choose_splits(product.batch, m, n, k) : 1;
  const auto tile = tile_of(context, product, way, wanted_splits);
  if (!tile) return fail("no kernel of it has %s tiles on this GPU", kProductWayNames[way.kind]);
  arguments.partition = partition_of(*tile, m, n, k, product.batch);
  const SplitSums splits(context, product.output, arguments.partition, wanted_splits);
  arguments.output = splits.output();
  const Status status = launch(context, kernel_of(product, layout, tile->size),
                               grid_of(arguments.partition, splits.count()), arguments, tile->shared_bytes);
  return status.failed ? status : splits.join();
}

Output dense_output(void* y, DType dtype, i64 m, i64 n) {
  Output output{};
  output.y = y;
  output.stride = n;
  output.batch_stride = m * n;
  output.is_bf16 = dtype == DType::bf16;
  output.vectors = n * static_cast<i64>(dtype_size(dtype)) % 16 == 0 && aligned({y});
  return output;
}

void add_bias(Output& output, const void* bias, DType dtype, i64 m, i64 n) {
  output.bias = bias;
  output.rows_of_bias = static_cast<int>(m);
  output.bias_is_bf16 = dtype == DType::bf16;
  output.bias_vectors = output.bias_is_bf16 == output.is_bf16 &&
                        n * static_cast<i64>(dtype_size(dtype)) % 16 == 0 && aligned({bias});
}

namespace {

Status multiply(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
                const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate) {
  if (y.elements() == 0) return ok();
  DenseProduct product{};
  product.dtype = a.dtype;
  product.a = a.data;
  product.b = b.data;
  product.batch = y.rank == 3 ? y.dim(0) : 1;
  product.m = y.dim(-2);
  product.n = y.dim(-1);
  product.k = a.dim(transpose_a ? -2 : -1);
  product.transpose_a = transpose_a;
  product.transpose_b = transpose_b;

  product.output = dense_output(y.data, y.dtype, product.m, product.n);
  if (bias.present()) add_bias(product.output, bias.data, bias.dtype, product.m, product.n);
  if (accumulate) product.output.addend = y.data;
  if (!transpose_a && transpose_b && product.batch == 1 && product.m <= kMaxSkinnyRows &&
      product.is_aligned())
    return matmul_skinny(context, product);
  return launch_product(context, product);
}

}  // namespace

Status matmul(Context& context, Out y, In a, In b, InOptional bias, bool transpose_a, bool transpose_b) {
  return multiply(context, y, a, b, bias, transpose_a, transpose_b, false);
}

Status matmul_part(Context& context, Part y, In a, In b, bool transpose_a, bool transpose_b) {
  return multiply(context, y, a, b, {}, transpose_a, transpose_b, false);
}

Status matmul_accumulate(Context& context, Acc y, In a, In b, bool transpose_a, bool transpose_b) {
  if (!y.present()) return ok();
  return multiply(context, y, a, b, {}, transpose_a, transpose_b, true);
}

#endif

}  // namespace transfusion::cuda
