// Which lanes go on when.
#pragma once

#include "machine/warp.h"

namespace simulated {

// The same numbers everywhere for a seed.
class Random {
 public:
  explicit Random(u64 seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  // 0 .. count - 1
  u32 below(u32 count) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<u32>((state_ >> 32) * count >> 32);
  }

 private:
  u64 state_;
};

// Runs all warps of a block to their ends, each for a few instructions at a time, in an order that `random`
// gives. Throws Fault.
void run_warps(Block& block, Random& random);

// Puts groups that have come to the same instruction together, and the one furthest behind in front.
void gather(Warp& warp);

}  // namespace simulated
