// The shared memory of a block, which one object is for blocks one after the other.
#pragma once

#include <optional>
#include <vector>

#include "shadow/access_fault.h"
#include "shadow/cells.h"

namespace simulated {

struct Options;
struct Run;

class SharedMemory {
 public:
  // For a block that begins: bytes that nobody has written, poisoned (NaN of every type).
  void reset(size_t bytes);
  u8* data() { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }

  // As GlobalMemory::access; addresses are offsets.
  void access(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes,
              Access access);

  // Asynchronous copies begin, to the address of each lane: writes, after which nobody may touch the bytes,
  // which are poisoned, until the copies end; then it is the warp that has written them.
  void begin_copies(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes);
  void end_copies(const Warp& warp, Mask mask, const u64* addresses, u32 bytes);

 private:
  friend void begin_block(Block& block);
  void begin_block(unsigned warps);
  void access_run(const WarpClock& clock, const Options& options, Access access, const Run& run,
                  u32 bytes_of_lane);

  std::vector<u8> bytes_;
  std::optional<SharedCells> cells_;
};

}  // namespace simulated
