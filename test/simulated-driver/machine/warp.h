// 32 threads in lockstep where they agree, and the block that they belong to.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "machine/barrier.h"
#include "machine/run.h"
#include "shadow/access.h"

namespace simulated {

// Lanes at the same instruction. A warp runs the group that is furthest behind, so that groups meet again.
struct Group {
  i32 pc = 0;
  Mask mask = 0;
  bool at_barrier = false;  // waits for other warps
  bool stuck = false;       // waits for lanes of its own warp
};

struct Warp {
  Block* block = nullptr;
  u32 index = 0;  // in its block
  Mask alive = 0;
  std::vector<Group> groups;  // by pc, smallest first
  u32 turns = 0;
  WarpClock clock;
  WarpCopies copies;  // cp.async, see machine/async_copy.cc

  u8* registers = nullptr;  // 64-byte aligned; what a register holds for 32 lanes lies together
  std::vector<Mask> predicates;
  std::vector<u8> local;  // Function::local_bytes of each lane

  template <class T>
  T* lanes(u32 offset) {
    return reinterpret_cast<T*>(registers + offset);
  }
};

struct Block {
  const Launch* launch = nullptr;
  const Options* options = nullptr;
  GlobalMemory* global = nullptr;
  Counters* counters = nullptr;
  Dimensions index{0, 0, 0};
  u64 number = 0;  // of the grid's blocks, x fastest
  SharedMemory shared;
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers;
  std::unordered_set<u64> sectors_read, sectors_written;  // of the launch, where Options::count
};

// ---- what handlers are written with ----

inline bool in(Mask mask, int lane) { return mask >> lane & 1; }

template <class Body>
inline void for_each_lane(Mask mask, Body body) {
  for (; mask; mask &= mask - 1) body(__builtin_ctz(mask));
}

// A register is a whole one or none of another's: lanes do not depend on each other.
#ifdef __clang__
#define INDEPENDENT_LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT_LANES _Pragma("GCC ivdep")
#endif

// target[i] = value(i) for the lanes of the mask. `value` is computed for all of them, without branches, and
// reads no lane of the target but i, so that the compiler makes vectors of it.
template <class T, class Value>
inline void assign(T* target, Mask mask, Value value) {
  if (mask == kAllLanes) {
    INDEPENDENT_LANES
    for (int i = 0; i < kLanes; ++i) target[i] = value(i);
    return;
  }
  T result[kLanes];
  for (int i = 0; i < kLanes; ++i) result[i] = value(i);
  for (int i = 0; i < kLanes; ++i) target[i] = mask >> i & 1 ? result[i] : target[i];
}

}  // namespace simulated
