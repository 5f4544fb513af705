// A backend: a device with its table of kernels, its pool and its in-order stream. The one dispatch point
// between devices.
#pragma once

#include <functional>
#include <memory>

#include "device.h"
#include "kernels.h"
#include "pool.h"
#include "stream.h"

namespace transfusion {

struct DeviceEnded : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Backend : private MemoryBudget {
 public:
  Backend(const KernelTable& kernels, std::unique_ptr<Device> device, size_t memory_limit)
      : kernels(kernels), device_(std::move(device)), pool_(memory_limit), stream_(*device_) {
    device_->set_budget(*this);
  }

  const KernelTable& kernels;

  // A block of at least `bytes`, for commands that are enqueued later. Throws MemoryLimitReached,
  // DeviceEnded.
  Block* take(size_t bytes);
  // Commands that are enqueued later may not use it.
  void give_back(Block* block) { pool_.give_back(block); }
  // Frees what the pool and the device have cached.
  void trim();

  void enqueue(std::unique_ptr<Command> command) { stream_.enqueue(std::move(command)); }
  // Runs `action` on the stream's thread.
  void enqueue(std::function<void()> action);

  Device& device() { return *device_; }
  Pool& pool() { return pool_; }
  Stream& stream() { return stream_; }

 private:
  void take_scratch(size_t bytes) override;
  void give_back_scratch(size_t bytes) override { pool_.give_back_scratch(bytes); }
  // Of the pool, without memory yet where it is new. Throws MemoryLimitReached.
  Block* take_from_pool(size_t bytes);
  void free_blocks(std::vector<Block*> blocks);
  // Until what was enqueued is done.
  void wait();

  std::unique_ptr<Device> device_;
  Pool pool_;
  Stream stream_;
};

}  // namespace transfusion
