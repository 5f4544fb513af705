// Which tile a product is cut into. A choice changes no bit of the result: a sum adds up K in the same order
// in every tile.
#pragma once

#include <span>

#include "host/launch.h"
#include "matmul/product.h"
#include "matmul/tile_shapes.h"

namespace transfusion::cuda {

struct TileChoice {
  enum Size { kSmall, kMedium, kLarge } size;
  int m, n;
  size_t shared_bytes;
  double rate;  // of products, relative to what a multiprocessor can do at all
};

template <class Tile>
constexpr TileChoice choice_of(TileChoice::Size size, double rate) {
  return {size, Tile::kM, Tile::kN, Tile::kSharedBytes, rate};
}

// Rates are estimates. A warp reads (m + n) / (m n) elements of shared memory for a product, twice as many in
// a small tile as in the others; a block reads as many of L2, 1.3 times those of a large tile in a medium one
// and 2.7 times in a small one.
constexpr TileChoice kMmaTiles[] = {
    choice_of<SmallMmaTile>(TileChoice::kSmall, 0.6),
    choice_of<MediumMmaTile>(TileChoice::kMedium, 0.95),
    choice_of<LargeMmaTile>(TileChoice::kLarge, 1),
};
constexpr TileChoice kGatherTiles[] = {
    choice_of<SmallMmaTile>(TileChoice::kSmall, 0.6),
    choice_of<GatherMmaTile>(TileChoice::kMedium, 0.9),
};
constexpr TileChoice kSimtTiles[] = {
    choice_of<SmallSimtTile>(TileChoice::kSmall, 0.7),
    choice_of<LargeSimtTile>(TileChoice::kLarge, 1),
};

inline i64 count_tiles(const TileChoice& tile, i64 m, i64 n) {
  return ceil_div(m, tile.m) * ceil_div(n, tile.n);
}

inline bool fits(const Context& context, const TileChoice& tile, TileChoice::Size largest) {
  return tile.size <= largest && tile.shared_bytes <= limits(context).shared_memory;
}

// The fixed rule: the tile with which all is done first, if each multiprocessor computes one tile after the
// other. `batch`: matrices, each cut into splits.
inline TileChoice choose_tile(const Context& context, std::span<const TileChoice> tiles,
                              TileChoice::Size largest, i64 m, i64 n, i64 batch) {
  TileChoice best = tiles[0];
  double least = 0;
  for (const TileChoice& tile : tiles) {
    if (!fits(context, tile, largest)) continue;
    const i64 rounds = ceil_div(count_tiles(tile, m, n) * batch, limits(context).multiprocessors);
    const double time = static_cast<double>(rounds * tile.m * tile.n) / tile.rate;
    if (tile.size != tiles[0].size && time >= least) continue;
    best = tile;
    least = time;
  }
  return best;
}

// Cuts y into tiles.
inline Partition partition_of(const TileChoice& tile, i64 m, i64 n, i64 k, i64 batch) {
  Partition partition{};
  partition.m = static_cast<int>(m);
  partition.n = static_cast<int>(n);
  partition.k = k;
  partition.split_depth = k;
  partition.tiles_m = static_cast<int>(ceil_div(m, tile.m));
  partition.tiles_n = static_cast<int>(ceil_div(n, tile.n));
  partition.batch = static_cast<int>(batch);
  return partition;
}

inline Grid grid_of(const Partition& partition, int splits) {
  return {static_cast<i64>(partition.tiles_m) * partition.tiles_n * partition.batch * splits};
}

}  // namespace transfusion::cuda
