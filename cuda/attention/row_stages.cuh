// The rows that a tile of keys meets in attention_backward.
#pragma once

#include "attention/head_tile.cuh"
#include "attention/rows.cuh"

namespace transfusion::cuda {

// The rows of one key head that meet a tile of keys, tile by tile.
template <class Tile>
struct RowStages {
  const AttentionBackwardArguments& call;
  const AttentionSequence& sequence;
  i32 end;  // of the rows

  struct Statistics {
    float lse = 0, delta = 0;
    int2 span = {0, 0};
  };

  __device__ __forceinline__ RowTile tile(i32 first) const {
    return {call.shape, sequence, first, min(Tile::kRows, end - first)};
  }

  __device__ __forceinline__ void load(uint32_t stage, i32 first) const {
    if (first >= end) return;
    const RowTile rows = tile(first);
    const auto load_tile = [&](uint32_t target, const void* tensor) {
      const auto row_at = [&](int row) -> const bf16* {
        if (row >= rows.count) return nullptr;
        return static_cast<const bf16*>(tensor) + rows.place(sequence, blockIdx.y, row).elements;
      };
      if (call.aligned)
        copy_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(target, call.shape.D, row_at);
      else
        load_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(target, call.shape.D, row_at);
    };
    load_tile(stage + Tile::kQ, call.q);
    load_tile(stage + Tile::kDy, call.dy);
  }

  // Of the row of this thread; zeros, and an empty interval, where there is none.
  __device__ __forceinline__ Statistics read(i32 first) const {
    Statistics statistics;
    const i32 row = static_cast<i32>(threadIdx.x);
    if (row >= min(Tile::kRows, end - first)) return statistics;
    const RowTile rows = tile(first);
    const i64 at = rows.place(sequence, blockIdx.y, row).statistic;
    const i32 query = rows.query(row);
    return {call.lse[at] * kLog2e, call.delta[at], {sequence.key_start[query], sequence.key_end[query]}};
  }

  __device__ __forceinline__ static void write(char* stage, const Statistics& statistics) {
    const int row = static_cast<int>(threadIdx.x);
    if (row >= Tile::kRows) return;
    reinterpret_cast<float*>(stage + Tile::kLse)[row] = statistics.lse;
    reinterpret_cast<float*>(stage + Tile::kDelta)[row] = statistics.delta;
    reinterpret_cast<int2*>(stage + Tile::kSpans)[row] = statistics.span;
  }
};

}  // namespace transfusion::cuda
