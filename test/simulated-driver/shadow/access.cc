#include "shadow/access.h"

#include "machine/warp.h"

namespace simulated {

void begin_block(Block& block) {
  WarpClock* clocks[kMaxWarps];
  const unsigned count = static_cast<unsigned>(block.warps.size());
  for (unsigned i = 0; i < count; ++i) clocks[i] = &block.warps[i].clock;
  block.global->begin_block(block.number, clocks, count);
  block.shared.begin_block(count);
}

void barrier_complete(Block& block, Mask warps) {
  WarpClock* clocks[kMaxWarps];
  unsigned count = 0;
  for_each_lane(warps, [&](int warp) { clocks[count++] = &block.warps[warp].clock; });
  block.global->clock().synchronise({clocks, count});
}

void warp_sync(Warp& warp) { warp.clock.meet(); }

}  // namespace simulated
