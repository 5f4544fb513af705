// Tiles of products: what a block computes, and what it needs for that.
#pragma once

namespace transfusion::cuda {

// ---- bf16, on tensor cores (device/mma_tile.cuh) ----

constexpr int kTileDepth = 32;  // of K

// kM x kN of y for a block, kWarpM x kWarpN for each of its warps; kStages tiles of K are on their way or in
// use.
template <int kM_, int kN_, int kWarpM_, int kWarpN_, int kStages_, int kResident_>
struct MmaTile {
  static constexpr int kM = kM_, kN = kN_, kWarpM = kWarpM_, kWarpN = kWarpN_, kStages = kStages_;
  static constexpr int kResident = kResident_;  // blocks of a multiprocessor
  static constexpr int kWarpsN = kN / kWarpN;
  static constexpr int kThreads = kM / kWarpM * kWarpsN * 32;
  static constexpr int kABytes = kM * kTileDepth * 2, kBBytes = kN * kTileDepth * 2;
  static constexpr int kStageBytes = kABytes + kBBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes;
};

// Warps of 64 x 64 keep the tensor cores of a multiprocessor busy with 8 warps, of 255 registers a thread: in
// one block or two. Three stages are two tiles of K ahead, more than 1000 cycles; those of two medium blocks
// fit in 100 KB.
using LargeMmaTile = MmaTile<128, 256, 64, 64, 3, 1>;
using MediumMmaTile = MmaTile<128, 128, 64, 64, 3, 2>;
// Of gathered operands: twice the threads to find out where their elements are.
using GatherMmaTile = MmaTile<128, 128, 64, 32, 4, 1>;
using SmallMmaTile = MmaTile<64, 64, 32, 32, 3, 4>;
// The same with registers for elements that are on their way.
using SmallElementsTile = MmaTile<64, 64, 32, 32, 3, 3>;

// ---- f32 (device/simt_tile.cuh) ----

// kM x kN of y for a block, 8 x 8 for each of its threads.
template <int kM_, int kN_>
struct SimtTile {
  static constexpr int kM = kM_, kN = kN_;
  static constexpr int kDepth = 8;  // of K
  static constexpr int kThreads = kM / 8 * (kN / 8);
  static constexpr int kSharedBytes = 0;  // dynamic
};

using LargeSimtTile = SimtTile<128, 128>;
using SmallSimtTile = SimtTile<64, 64>;

}  // namespace transfusion::cuda
