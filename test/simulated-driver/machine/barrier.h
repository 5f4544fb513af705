// The numbered barriers of a block.
#pragma once

#include <array>
#include <string>

#include "ptx/module.h"
#include "shadow/clock.h"

namespace simulated {

struct Block;
struct Group;
struct Warp;

inline constexpr size_t kBarriers = 16;

struct Barrier {
  std::array<Mask, kMaxWarps> arrived{};  // lanes of each warp
  u32 expected = 0;                       // threads; 0: all that have not ended
  u32 threads = 0, votes = 0;
  Stamps stamps{};  // what those that have arrived have done
};

// Lanes of a warp come to a barrier (Control::barrier). Where it is an arrival alone they go on, otherwise
// they wait until all have come. Afterwards `group` may be gone or another.
void arrive(Warp& warp, Group& group, const Instruction& instruction);

// Lets go who waits at barriers that the end of a thread has completed.
void check_barriers(Block& block);

// Whether an instruction at a barrier asks for whole warps.
bool is_aligned(const Instruction& instruction);

}  // namespace simulated
