// y [B, M, N] = a [B, M, K] b [B, K, N] + bias [N]; a transposed matrix is only loaded in another way.
// bf16 on tensor cores (device/mma_tile.cuh), f32 by multiply-adds (device/simt_tile.cuh), a few rows of y by
// matmul_skinny.cu. Weight gradients, whose K is long, may be split (split_k.h); no other sum is, so that a row
// of y is the same whatever rows are beside it in its tile.
#include "product.h"
#include "tile_shapes.h"
#ifdef __CUDACC__
#include "device/mma_tile.cuh"
#include "device/simt_tile.cuh"
#else
#include "cuda_kernels.h"
#include "matmul_skinny.h"
#include "split_k.h"
#endif

namespace transfusion::cuda {

struct MatmulArguments {
  Operand a, b;
  Output output;
  Partition partition;
  bool a_k_major, b_k_major, aligned;  // of f32; kernels of bf16 are made for each
};

#ifdef __CUDACC__

template <class Tile, bool kAKMajor, bool kBKMajor, bool kAligned>
__device__ __forceinline__ void matmul_bf16(const MatmulArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  DenseLoader<Tile::kM, kAKMajor, Tile::kThreads, kAligned> a(arguments.a, place.matrix, place.row, partition.m,
                                                              place.k_begin, place.k_end);
  DenseLoader<Tile::kN, kBKMajor, Tile::kThreads, kAligned> b(arguments.b, place.matrix, place.column,
                                                              partition.n, place.k_begin, place.k_end);
  WarpSums<Tile> sums;
  multiply_tiles<Tile, kAKMajor, kBKMajor>(sums, a, b, k_tiles(place));
  store_tile(sums, arguments.output, partition, place);
}

template <class Tile>
__device__ __forceinline__ void matmul_f32(const MatmulArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  const DenseFloats a(arguments.a, arguments.a_k_major, arguments.aligned, place.matrix, partition.m, place.k_end);
  const DenseFloats b(arguments.b, arguments.b_k_major, arguments.aligned, place.matrix, partition.n, place.k_end);
  multiply_floats<Tile>(a, b, arguments.output, partition, place);
}

#define MATMUL_BF16(name, Tile, a_k_major, b_k_major, aligned)      \
  KERNEL(matmul_bf16_##name, MatmulArguments, Tile::kThreads) {     \
    matmul_bf16<Tile, a_k_major, b_k_major, aligned>(arguments);    \
  }

// By layout of a and b: t where it lies [K, M], n [M, K]; n where b lies [K, N], t [N, K].
MATMUL_BF16(nt_large, LargeMmaTile, true, true, true)
MATMUL_BF16(nn_large, LargeMmaTile, true, false, true)
MATMUL_BF16(tn_large, LargeMmaTile, false, false, true)
MATMUL_BF16(nt_medium, MediumMmaTile, true, true, true)
MATMUL_BF16(nn_medium, MediumMmaTile, true, false, true)
MATMUL_BF16(tn_medium, MediumMmaTile, false, false, true)
MATMUL_BF16(nt_small, SmallMmaTile, true, true, true)
MATMUL_BF16(nn_small, SmallMmaTile, true, false, true)
MATMUL_BF16(tn_small, SmallMmaTile, false, false, true)
MATMUL_BF16(tt_small, SmallMmaTile, false, true, true)
MATMUL_BF16(nt_guarded, SmallMmaTile, true, true, false)
MATMUL_BF16(nn_guarded, SmallMmaTile, true, false, false)
MATMUL_BF16(tn_guarded, SmallMmaTile, false, false, false)
MATMUL_BF16(tt_guarded, SmallMmaTile, false, true, false)

KERNEL(matmul_f32_large, MatmulArguments, LargeSimtTile::kThreads) { matmul_f32<LargeSimtTile>(arguments); }
KERNEL(matmul_f32_small, MatmulArguments, SmallSimtTile::kThreads) { matmul_f32<SmallSimtTile>(arguments); }

#else
#endif

}  // namespace transfusion::cuda
