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
    float lse = INFINITY, delta = 0;
    short2 span = {0, 0};  // of the tile's keys
  };

  __device__ __forceinline__ RowTile tile(i32 first) const {
    return {call.shape, sequence, first, min(Tile::kRows, end - first)};
  }

  // Loads the rows from `first` on of q or dy.
  __device__ __forceinline__ void load(uint32_t tile, const void* tensor, i32 first) const {
    if (first >= end) return;
    const RowTile rows = this->tile(first);
    const auto row_at = [&](int row) -> const bf16* {
      if (row >= rows.count) return nullptr;
      return static_cast<const bf16*>(tensor) + rows.place(sequence, blockIdx.y, row).elements;
    };
    if (call.aligned)
      copy_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(tile, call.shape.D, row_at);
    else
      load_head_rows<Tile::kWidth, Tile::kRows, Tile::kThreads>(tile, call.shape.D, row_at);
  }

  // Of the row of this thread, against keys from `key0` on; where there is none, what makes its p zero.
  __device__ __forceinline__ Statistics read(i32 first, i32 key0) const {
    Statistics statistics;
    const i32 row = static_cast<i32>(threadIdx.x);
    if (row >= min(Tile::kRows, end - first)) return statistics;
    const RowTile rows = tile(first);
    const i64 at = rows.place(sequence, blockIdx.y, row).statistic, query = sequence.query0 + rows.query(row);
    const auto in_tile = [&](i32 key) { return static_cast<short>(min(max(key - key0, 0), Tile::kKeys)); };
    return {call.lse[at] * kLog2e,
            call.delta[at],
            {in_tile(call.shape.key_start[query]), in_tile(call.shape.key_end[query])}};
  }

  __device__ __forceinline__ static void write(char* stage, const Statistics& statistics) {
    const int row = static_cast<int>(threadIdx.x);
    if (row >= Tile::kRows) return;
    reinterpret_cast<float*>(stage + Tile::kLse)[row] = statistics.lse;
    reinterpret_cast<float*>(stage + Tile::kDelta)[row] = statistics.delta;
    reinterpret_cast<short2*>(stage + Tile::kSpans)[row] = statistics.span;
  }
};

}  // namespace transfusion::cuda
