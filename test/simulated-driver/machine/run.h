// Runs a kernel: its blocks one after the other, the warps of a block in turns of random length.
#pragma once

#include <array>
#include <vector>

#include "machine/fault.h"
#include "ptx/module.h"

namespace simulated {

class GlobalMemory;  // shadow/access.h

struct Launch {
  const Function* function = nullptr;
  Dimensions grid, block;
  size_t dynamic_shared = 0;
  std::vector<std::byte> parameters;
  std::vector<u64> globals;  // device addresses of Module::globals, in their order
};

struct Options {
  u32 seed = 1;       // of the order of blocks and of the turns of warps
  bool check = true;  // races and uninitialised reads; bounds and alignment always are
  // Whether warps may write an address without a barrier between: Triton lets several write the same value.
  bool equal_writes = false;
  bool count = false;  // sectors and bank conflicts
};

struct Counters {
  u64 blocks = 0, warp_instructions = 0, thread_instructions = 0;
  std::array<u64, static_cast<size_t>(InstructionClass::kCount)> of_class{};
  // Only where Options::count. A request is a warp's instruction; a sector 32 bytes; ideally bytes / 32.
  u64 global_requests = 0, global_sectors = 0, global_bytes = 0;
  // Sectors that were read, each once, and those that were written: what memory moves where caches are large.
  u64 memory_sectors = 0;
  // A wavefront is what the 32 banks do at once; more than one for 128 bytes are conflicts.
  u64 shared_requests = 0, shared_wavefronts = 0, shared_ideal_wavefronts = 0, shared_bytes = 0;

  Counters& operator+=(const Counters& other);
};
const char* name(InstructionClass klass);

// Throws Fault.
Counters run(const Launch& launch, GlobalMemory& memory, const Options& options = {});

}  // namespace simulated
