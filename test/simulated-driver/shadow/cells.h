// What is known of each few bytes of memory: who wrote them last, and who has read them since. A cell covers
// 4 bytes, until an access of fewer makes all cells of the range 2 or 1 bytes wide.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "shadow/clock.h"

namespace simulated {

enum class Access : u8 {
  read,
  write,
  atomic,        // read and write in one
  relaxed_read,  // ld.relaxed, ld.acquire, ld.volatile: no race with atomics
};

constexpr const char* name_of(Access access) {
  return access == Access::write ? "write" : access == Access::atomic ? "atomic" : "read";
}

// The first cell for which an access is wrong, and why.
struct Conflict {
  enum Kind { unwritten, in_flight, after_write, after_read, after_lane } kind;
  size_t byte;  // from the beginning of the range
  Epoch other;  // of after_lane the lane
};

class Cells {
 public:
  // `readers`: how many epochs of reads a cell remembers; see SharedCells and GlobalCells.
  Cells(size_t bytes, unsigned readers, Epoch written);

  size_t bytes() const { return bytes_; }
  // Makes cells so small that [begin, begin + bytes) is a whole number of them.
  void resolve(size_t begin, size_t bytes) {
    const size_t bits = begin | bytes;
    if (bits & ((size_t{1} << shift_) - 1)) split(bits & 1 ? 0 : 1);
  }

  void set_written(size_t begin, size_t bytes, Epoch epoch);
  bool is_written(size_t begin, size_t bytes) const;
  // The same bytes are written here as there.
  void copy_written(size_t begin, const Cells& source, size_t source_begin, size_t bytes);
  // All that has happened lies before all that will.
  void forget();

 protected:
  size_t count() const { return bytes_ >> shift_; }
  Epoch* writers() { return cells_.get(); }
  Epoch* readers(unsigned row) { return cells_.get() + (row + 1) * count(); }
  std::optional<Conflict> find_writer(const WarpClock& clock, Access access, size_t first, size_t n);

  size_t bytes_;
  unsigned rows_;
  unsigned shift_ = 2;
  std::unique_ptr<Epoch[]> cells_;  // writers, then a row for each remembered reader

 private:
  void split(unsigned shift);
  std::optional<Conflict> find_writer_exactly(const WarpClock& clock, Access access, size_t first, size_t n);
};

// Cells of the shared memory of a block: the last read of each warp, exactly, and the lane of the last write.
class SharedCells : public Cells {
 public:
  SharedCells(size_t bytes, unsigned warps) : Cells(bytes, warps + 1, 0), last_read_(warps) {}
  unsigned warps() const { return static_cast<unsigned>(last_read_.size()); }

  // Checks and records an access to [begin, begin + bytes), which are resolved cells.
  std::optional<Conflict> access(const WarpClock& clock, Access access, size_t begin, size_t bytes);
  // The same among lanes of the warp, for an access that is right among warps: `lane` is the first one, each
  // has `bytes_of_lane`; or `several` lanes access all.
  std::optional<Conflict> access_lanes(const WarpClock& clock, Access access, size_t begin, size_t bytes,
                                       int lane, u32 bytes_of_lane, bool several);
  void set_lanes(const WarpClock& clock, size_t begin, size_t bytes, int lane, u32 bytes_of_lane);
  void begin_block();

 private:
  // How often the lanes of the writer had met before, and which one wrote, 5 bits.
  u32* lanes() { return readers(warps()); }

  std::vector<u32> last_read_;  // of each warp: the stamp of its latest read of any cell
};

// Cells of global memory. Two reads that nothing orders are remembered, by different warps: a write that
// follows all reads of its own block's barriers follows both, one that follows no read of another block is
// wrong for at least one of them.
class GlobalCells : public Cells {
 public:
  GlobalCells(size_t bytes, Epoch written) : Cells(bytes, 2, written) {}

  std::optional<Conflict> access(const WarpClock& clock, Access access, size_t begin, size_t bytes);
};

}  // namespace simulated
