// A caching pool of device memory. Blocks are taken and given back on JavaScript threads, when calls are
// enqueued; because the stream runs in that order, a block that was given back can be handed out at once,
// even while queued kernels still use it.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_types.h"

namespace transfusion {

// Why a tensor holds no values: the message of the kernel call that failed.
struct Failure {
  std::string message;
};
using Mark = std::shared_ptr<const Failure>;

inline u64 next_version() {
  static std::atomic<u64> count = 0;
  return ++count;
}

class Backend;

struct Block {
  void* data = nullptr;
  size_t bytes = 0;
  Backend* backend = nullptr;
  // Why what it holds is of no use, as far as the host knew when the last command that wrote it was launched,
  // and as it was known when that command was complete: what readers are told. Touched as command.h says. A
  // device that does its work later may find a fault between the two.
  Mark launch_mark, mark;
  u64 version = 0;     // of what it holds: another after every write; touched by the stream's thread only
  int references = 0;  // handles on this block; touched by the owning JavaScript thread only
};

struct MemoryStats {
  size_t live = 0;
  size_t cached = 0;
  size_t scratch = 0;  // of kernels, besides tensors
  size_t peak = 0;     // the most of live and scratch together
  size_t limit = 0;
};

struct MemoryLimitReached : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Pool {
 public:
  explicit Pool(size_t limit) { stats_.limit = limit; }

  // A block of at least `bytes`. Blocks evicted to stay within the limit are appended to `evicted`: the
  // caller has the stream free them. Throws MemoryLimitReached.
  Block* take(size_t bytes, std::vector<Block*>& evicted);
  void give_back(Block* block);
  // The same for memory of kernels besides tensors, which comes from elsewhere and only counts here.
  void take_scratch(size_t bytes, std::vector<Block*>& evicted);
  void give_back_scratch(size_t bytes);
  // Undoes take() for a block that got no memory.
  void forget(Block* block);
  // Gives up every cached block; the caller has the stream free them.
  std::vector<Block*> trim();

  MemoryStats stats() const;
  void set_limit(size_t bytes);

 private:
  // For `size` bytes more, of which `asked` were asked for.
  void make_room(size_t size, size_t asked, std::vector<Block*>& evicted);
  Block* evict_largest();

  mutable std::mutex mutex_;
  std::multimap<size_t, Block*> cached_;
  MemoryStats stats_;
};

// 90% of the smaller of physical memory and the control group's limit.
size_t default_memory_limit();

}  // namespace transfusion
