// Memory of the GPU: what may be touched.
#pragma once

#include <vector>

#include "ptx/types.h"

namespace simulated {

struct Block;
struct Instruction;
struct Warp;

enum class Access : u8 { read, write, atomic };

struct WarpClock {};
struct WarpCopies {};

class SharedMemory {
 public:
  void reset(size_t bytes) { bytes_.assign(bytes, 0xff); }
  u8* data() { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  void access(Warp&, const Instruction&, Mask, const u64*, u32, Access) {}

 private:
  std::vector<u8> bytes_;
};

class GlobalMemory {
 public:
  static u8* host(u64 address) { return reinterpret_cast<u8*>(address & ((u64{1} << 56) - 1)); }
  void begin_launch() {}
  void access(Warp&, const Instruction&, Mask, const u64*, u32, Access) {}
};

inline void begin_block(Block&) {}
inline void barrier_complete(Block&, Mask) {}
inline void warp_sync(Warp&, Mask) {}

}  // namespace simulated
