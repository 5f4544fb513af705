// Memory of a simulated device and pinned memory of the host, with what is known of each byte (cells.h).
// An address of device memory has bit 62 set, so that the host cannot follow it; `host` gives where its bytes
// are. An address of pinned memory is the same for both. No address comes twice: an access to memory that
// was freed is known as such. Not for several threads at once, but for `reserve`.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shadow/access_fault.h"
#include "shadow/cells.h"

namespace simulated {

struct Options;

enum class MemoryKind : u8 { device, pinned };

struct Allocation {
  u64 address;
  size_t bytes;
  MemoryKind kind;
};

class GlobalMemory {
 public:
  // Poison is written to device memory, which then takes up real memory: without it zeros are read.
  explicit GlobalMemory(bool poisons = true);
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory&) = delete;
  GlobalMemory& operator=(const GlobalMemory&) = delete;

  // Addresses for an allocation, aligned to 256 bytes as the driver's and to no more. For any device, from
  // any thread. Throws std::bad_alloc when none are left.
  static u64 reserve(size_t bytes, MemoryKind kind);
  // Where the bytes of an address are.
  static u8* host(u64 address) { return reinterpret_cast<u8*>(address & ~kDeviceBit); }

  // From here on the device may use what was reserved. Device memory is poisoned; the host may write pinned
  // memory whenever it likes, so that counts as written.
  void add(u64 address, size_t bytes, MemoryKind kind);
  // Until here; then the bytes are gone. False where no allocation begins at `address`.
  bool remove(u64 address);
  u64 allocate(size_t bytes, MemoryKind kind);  // reserve and add

  // That `address` lies in, if it has not been removed.
  const Allocation* find(u64 address) const;
  bool contains(u64 address, size_t bytes) const;
  size_t allocated(MemoryKind kind) const { return allocated_[static_cast<int>(kind)]; }
  // "address 0x7f..c, 12 bytes after the end of 4096 bytes of device memory"
  std::string describe(u64 address) const;

  // For copies and sets of the driver. Throws Fault, in which `what` names the call: bounds, use after free.
  void check(u64 address, size_t bytes, const std::string& what) const;
  // Of ranges that `contains`.
  void mark_written(u64 address, size_t bytes);
  bool is_written(u64 address, size_t bytes);
  void copy_written(u64 target, u64 source, size_t bytes);  // both of this device

  // An instruction of a warp, before its bytes are read or written: `bytes` at the address of each lane of
  // the mask, of which it is to be a multiple. Throws Fault.
  void access(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes,
              Access access);

  void begin_launch();
  // `number` counts the blocks of the grid, x first.
  void begin_block(u64 number, WarpClock* const* warps, unsigned count);
  Clock& clock() { return clock_; }

 private:
  static constexpr u64 kDeviceBit = u64{1} << 62;
  static constexpr size_t kPage = 4096;
  // How far an allocation begins from a multiple of kPage: so none is aligned better than promised.
  static constexpr size_t kSkew = 256;

  struct Page {
    const Allocation* owner;
    GlobalCells cells;
  };
  // An entry of pages_ that stands for a page all written by the host, of which no kernel has touched any.
  static constexpr uintptr_t kMark = 1;

  static bool is_touched(const Page* page) { return reinterpret_cast<uintptr_t>(page) > kMark; }
  static size_t page_index(u64 address);
  // That of an address, made if there is none yet; null where nothing is allocated.
  Page* page(u64 address);
  Page* make_page(u64 address);
  template <class Visit>
  void each_page(u64 address, size_t bytes, Visit visit);
  void drop_pages(const Allocation& allocation);
  // Consecutive bytes, from `lane` on with `bytes_of_lane` each.
  void access_run(const WarpClock& clock, const Options& options, Access access, u64 address, size_t bytes,
                  int lane, u32 bytes_of_lane);
  std::string actor(Epoch epoch, const WarpClock& clock) const;
  AccessFault out_of_range(u64 address, size_t bytes, int lane) const;
  AccessFault conflict(const Conflict& conflict, const WarpClock& clock, Access access, u64 address,
                       int lane) const;

  const bool poisons_;
  Page** pages_;
  std::map<u64, Allocation> live_, freed_;
  size_t allocated_[2] = {0, 0};
  std::vector<std::pair<Epoch, u64>> blocks_;  // of this launch: where their stamps begin, their number
  Clock clock_;
};

}  // namespace simulated
