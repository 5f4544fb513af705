// Where the backward pass of attention adds up dq, deterministically: for each tile of rows, tasks add what
// their tiles of keys contribute in ascending order of keys (FlashAttention's deterministic mode and its
// dq_semaphore).
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "cpu/attention/shape.h"

namespace transfusion::cpu {

// dq's sums, [tiles of rows][tile_rows, Dp], and how many tasks have added to each tile.
struct QueryGradients {
  float* sums;
  std::vector<std::atomic<i32>> added;
  std::vector<i64> first_tile;  // of each sequence, for one key head
  i64 G, tile_rows, Dp;

  QueryGradients(Context& context, const AttentionShape& shape, i64 tile_rows, i64 Dp)
      : G(shape.G), tile_rows(tile_rows), Dp(Dp) {
    i64 tiles = 0;
    for (i64 b = 0; b < shape.B; ++b)
      first_tile.push_back(std::exchange(tiles, tiles + ceil_div(shape.rows(b), tile_rows)));
    added = std::vector<std::atomic<i32>>(tiles * G);
    sums = context.scratch<float>(tiles * G * tile_rows * Dp);
  }
  HeadRows<float> rows(i64 sequence, i64 g, i64 tile) const {
    return HeadRows<float>(sums, index(sequence, g, tile) * tile_rows, 1, 0, 1, Dp);
  }
  i64 index(i64 sequence, i64 g, i64 tile) const { return (first_tile[sequence] + tile) * G + g; }
  // Waits until `turn` tasks have added to the tile.
  void await_turn(i64 index, i64 turn) {
    for (i32 now; (now = added[index].load(std::memory_order_acquire)) != turn;) added[index].wait(now);
  }
  void end_turn(i64 index) {
    added[index].fetch_add(1, std::memory_order_release);
    added[index].notify_all();
  }
};

}  // namespace transfusion::cpu
