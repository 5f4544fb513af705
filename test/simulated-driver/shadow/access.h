// Memory of the GPU: what may be touched, and in which order. What the machine includes of shadow/.
#pragma once

#include "shadow/global_memory.h"
#include "shadow/shared_memory.h"

namespace simulated {

// What a warp's cp.async instructions copy to shared memory and has not been waited for, see
// machine/async_copy.cc.
struct WarpCopies {
  struct Batch {  // of one instruction
    const Instruction* instruction;
    Mask mask;  // of lanes whose copy is under way
    u64 target[kLanes], source[kLanes];
    u32 group[kLanes];
    u8 source_bytes[kLanes];  // zeros follow
    u8 value[kLanes][16];     // of the source when the copy began
  };
  std::vector<Batch> batches;
  u32 committed[kLanes] = {};  // groups of each lane, which are counted from 0
};

// Clocks of a block's warps begin anew, after its shared memory was reset.
void begin_block(Block& block);
// The warps of the mask have passed a barrier together.
void barrier_complete(Block& block, Mask warps);
// Lanes of a warp meet: at __syncwarp, and at every other instruction that has .sync in its name.
void warp_sync(Warp& warp);

}  // namespace simulated
