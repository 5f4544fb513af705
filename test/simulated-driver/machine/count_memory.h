// Counters of accesses: 32-byte sectors of global memory, turns of the 32 banks of shared memory.
#pragma once

#include "machine/warp.h"

namespace simulated {

void count_global(Block& block, Mask mask, const u64* addresses, u32 bytes, Access access);
void count_shared(Block& block, Mask mask, const u64* addresses, u32 bytes);

}  // namespace simulated
