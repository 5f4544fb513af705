// Memory of the GPU: what may be touched, and in which order. What the machine includes of shadow/.
#pragma once

#include "shadow/global_memory.h"
#include "shadow/shared_memory.h"

namespace simulated {

// Copies of a warp to shared memory that are under way, see machine/async_copy.cc.
struct WarpCopies {
  struct Copy {
    u64 target, source;
    u32 bytes, source_bytes;  // the rest is zeros
    u8 before[16];            // of the source, when the copy began
    const Instruction* instruction;
    int lane;
    u32 group;  // of its lane
  };
  std::vector<Copy> copies;  // in the order of their beginning
  std::vector<u32> groups;   // of each lane: how many it has committed; empty: none
};

// Clocks of a block's warps begin anew, after its shared memory was reset.
void begin_block(Block& block);
// The warps of the mask have passed a barrier together.
void barrier_complete(Block& block, Mask warps);
// Lanes of a warp met: their accesses are in program order in any case, since a warp has one clock.
inline void warp_sync(Warp&, Mask) {}

}  // namespace simulated
