// Tiles of attention on tensor cores, for both halves.
#pragma once

#include "attention/tiles.h"

namespace transfusion::cuda {

// Of the forward pass, for heads of up to kWidth elements: warps own rows, all of them meet a tile of keys.
template <int kWidth_, int kRowsOfWarp_, int kWarps_, int kKeys_>
struct ForwardTile {
  static constexpr int kWidth = kWidth_, kRowsOfWarp = kRowsOfWarp_, kWarps = kWarps_, kKeys = kKeys_;
  static constexpr int kRows = kRowsOfWarp * kWarps, kThreads = 32 * kWarps;
  // q, later y; k; v; the interval of each row
  static constexpr int kQ = 0, kK = kQ + kRows * kWidth * 2, kV = kK + kKeys * kWidth * 2;
  static constexpr int kSpans = kV + kKeys * kWidth * 2, kSharedBytes = kSpans + kRows * 8;
};

using Forward16 = ForwardTile<16, 32, 4, 64>;
using Forward32 = ForwardTile<32, 32, 4, 64>;
using Forward64 = ForwardTile<64, 32, 4, 64>;
using Forward96 = ForwardTile<96, 32, 4, 64>;
using Forward128 = ForwardTile<128, 32, 4, 32>;

// Of the forward pass of a few rows, on the same tiles of keys: each warp owns 16 columns of the results,
// which all rows share, and several tiles of keys are on their way.
template <class Forward>
struct DecodeTile {
  static constexpr int kWidth = Forward::kWidth, kKeys = Forward::kKeys, kRows = 16, kStages = 4;
  static constexpr int kThreads = 32 * (kWidth / 16);
  // q, later y; the interval of each row; stages of k and v
  static constexpr int kQ = 0, kSpans = kQ + kRows * kWidth * 2, kStage = kSpans + kRows * 8;
  static constexpr int kK = 0, kV = kKeys * kWidth * 2, kStageBytes = 2 * kV;
  static constexpr int kSharedBytes = kStage + kStages * kStageBytes;
};

using Decode16 = DecodeTile<Forward16>;
using Decode32 = DecodeTile<Forward32>;
using Decode64 = DecodeTile<Forward64>;
using Decode96 = DecodeTile<Forward96>;
using Decode128 = DecodeTile<Forward128>;

// Of dk and dv: warps own keys, all of them meet a tile of rows while the next one comes.
template <int kWidth_, int kKeysOfWarp_, int kWarps_, int kRows_>
struct KeyGradientTile {
  static constexpr int kWidth = kWidth_, kKeysOfWarp = kKeysOfWarp_, kWarps = kWarps_, kRows = kRows_;
  static constexpr int kKeys = kKeysOfWarp * kWarps, kThreads = 32 * kWarps;
  // k and v, later dk and dv; two stages of q, dy, and the lse, delta and interval of each row
  static constexpr int kK = 0, kV = kK + kKeys * kWidth * 2, kStage = kV + kKeys * kWidth * 2;
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kLse = kDy + kRows * kWidth * 2;
  static constexpr int kDelta = kLse + kRows * 4, kSpans = kDelta + kRows * 4;
  static constexpr int kStageBytes = kSpans + kRows * 8, kSharedBytes = kStage + 2 * kStageBytes;
};

using KeyGradient16 = KeyGradientTile<16, 32, 4, 32>;
using KeyGradient32 = KeyGradientTile<32, 32, 4, 32>;
using KeyGradient64 = KeyGradientTile<64, 16, 4, 64>;
using KeyGradient96 = KeyGradientTile<96, 16, 4, 32>;
using KeyGradient128 = KeyGradientTile<128, 16, 4, 32>;

// Of dq: warps own rows, all of them meet a tile of keys while the next one comes.
template <int kWidth_, int kRowsOfWarp_, int kWarps_, int kKeys_>
struct QueryGradientTile {
  static constexpr int kWidth = kWidth_, kRowsOfWarp = kRowsOfWarp_, kWarps = kWarps_, kKeys = kKeys_;
  static constexpr int kRows = kRowsOfWarp * kWarps, kThreads = 32 * kWarps;
  // q, later dq; dy; two stages of k; v; the interval of each row
  static constexpr int kStageBytes = kKeys * kWidth * 2;
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kK = kDy + kRows * kWidth * 2;
  static constexpr int kV = kK + 2 * kStageBytes, kSpans = kV + kStageBytes;
  static constexpr int kSharedBytes = kSpans + kRows * 8;
};

using QueryGradient16 = QueryGradientTile<16, 32, 4, 32>;
using QueryGradient32 = QueryGradientTile<32, 32, 4, 32>;
using QueryGradient64 = QueryGradientTile<64, 32, 4, 32>;
using QueryGradient96 = QueryGradientTile<96, 16, 4, 32>;
using QueryGradient128 = QueryGradientTile<128, 16, 4, 32>;

#ifndef __CUDACC__
// Of heads of up to 128 elements in bf16: sequences with a few rows each.
Status attention_decode(Context& context, const AttentionArguments& arguments);
#endif

}  // namespace transfusion::cuda
