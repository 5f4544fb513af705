// A backend: a table of kernels, a pool and an in-order stream. The one dispatch point between devices.
#pragma once

#include <functional>
#include <string>

#include "kernels.h"
#include "pool.h"
#include "stream.h"

namespace transfusion {

class Backend {
 public:
  // How a device gets and frees memory; allocate returns null when there is none.
  struct Memory {
    void* (*allocate)(size_t bytes);
    void (*free)(void* data, size_t bytes);
  };

  Backend(const KernelTable& kernels, Memory memory, size_t limit)
      : kernels(kernels), pool_(limit), memory_(memory) {}

  const KernelTable& kernels;

  // Both in stream order. take() throws MemoryLimitReached.
  Block* take(size_t bytes);
  void give_back(Block* block) { pool_.give_back(block); }
  void trim();

  void enqueue(std::unique_ptr<Command> command) { stream_.enqueue(std::move(command)); }
  // Runs `action` on the stream's thread.
  void enqueue(std::function<void()> action);

  Pool& pool() { return pool_; }
  Stream& stream() { return stream_; }

 private:
  void free_blocks(std::vector<Block*> blocks);

  Pool pool_;
  Stream stream_;
  Memory memory_;
};

// The process's CPU backend, shared by all environments. Made at the first call, never destroyed.
Backend& cpu_backend();

}  // namespace transfusion
