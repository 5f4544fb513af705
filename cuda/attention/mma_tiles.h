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

}  // namespace transfusion::cuda
