// Which tile of a product is a block's.
#pragma once

#include "matmul/product.h"

namespace transfusion::cuda {

struct Place {
  int row, column;  // where the tile begins
  int matrix, split;
  i64 k_begin, k_end;
};

// Blocks that run at the same time should share what they read: tiles follow one another along rows of 8
// tiles, one row below the other. 108 blocks then read 14 tiles of a and 8 of b.
constexpr int kTilesOfBand = 8;

template <int kTileM, int kTileN>
__device__ __forceinline__ Place place_of_block(const Partition& partition) {
  const int tiles = partition.tiles_m * partition.tiles_n;
  const int tile = static_cast<int>(blockIdx.x) % tiles, rest = static_cast<int>(blockIdx.x) / tiles;
  const int band = tile / (kTilesOfBand * partition.tiles_m), first = band * kTilesOfBand;
  const int width = min(kTilesOfBand, partition.tiles_n - first), in_band = tile - first * partition.tiles_m;
  Place place;
  place.row = in_band / width * kTileM;
  place.column = (first + in_band % width) * kTileN;
  place.matrix = rest % partition.batch;
  place.split = rest / partition.batch;
  place.k_begin = place.split * partition.split_depth;
  place.k_end = min(partition.k, place.k_begin + partition.split_depth);
  return place;
}

}  // namespace transfusion::cuda
