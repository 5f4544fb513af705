#include "backend.h"

#include <future>

namespace transfusion {
namespace {

struct Housekeeping : Command {
  void cancel() override {}
  void complete(const Status&) override {}
  void describe(Work& work, Device*) override { work.name = "(housekeeping)"; }
};

struct Action final : Housekeeping {
  explicit Action(std::function<void()> action) : action(std::move(action)) {}
  void launch(Device&) override { action(); }
  std::function<void()> action;
};

// Once what was freed before is free.
struct TrimDevice final : Housekeeping {
  explicit TrimDevice(Device& device) : device(device) {}
  void launch(Device& device) override { device.free_scratch(); }
  void complete(const Status&) override { device.trim(); }
  Device& device;
};

struct FreeScratch final : Housekeeping {
  void launch(Device& device) override { device.free_scratch(); }
};

struct Fence final : Housekeeping {
  explicit Fence(std::promise<void> passed) : passed(std::move(passed)) {}
  void launch(Device&) override {}
  void complete(const Status&) override { passed.set_value(); }
  bool is_awaited() const override { return true; }
  std::promise<void> passed;
};

struct FreeBlocks final : Housekeeping {
  explicit FreeBlocks(std::vector<Block*> blocks) : blocks(std::move(blocks)) {}
  void launch(Device& device) override {
    for (Block* block : blocks) device.free(block->data, block->bytes);
  }
  // Commands before it set the marks of their blocks until they are complete.
  void complete(const Status&) override {
    for (Block* block : blocks) delete block;
  }
  std::vector<Block*> blocks;
};

}  // namespace

Block* Backend::take(size_t bytes) {
  Block* block = take_from_pool(bytes);
  block->backend = this;
  if (!block->data) block->data = device_->allocate(block->bytes);
  if (!block->data) {
    // What was evicted may still be in use.
    trim();
    wait();
    block->data = device_->allocate(block->bytes);
  }
  if (!block->data) {
    pool_.forget(block);
    if (const Status ended = stream_.ended(); ended.failed) throw DeviceEnded(ended.message);
    throw MemoryLimitReached("out of memory: the system refused " + std::to_string(bytes) + " bytes");
  }
  return block;
}

Block* Backend::take_from_pool(size_t bytes) {
  std::vector<Block*> evicted;
  Block* block = nullptr;
  try {
    block = pool_.take(bytes, evicted);
  } catch (const MemoryLimitReached&) {
    if (pool_.stats().scratch == 0) throw;
    // The device keeps it for kernels that come later: there may be none that need as much.
    enqueue(std::make_unique<FreeScratch>());
    wait();
    block = pool_.take(bytes, evicted);
  }
  if (!evicted.empty()) free_blocks(std::move(evicted));
  return block;
}

void Backend::take_scratch(size_t bytes) {
  std::vector<Block*> evicted;
  pool_.take_scratch(bytes, evicted);
  if (!evicted.empty()) free_blocks(std::move(evicted));
}

void Backend::trim() {
  free_blocks(pool_.trim());
  enqueue(std::make_unique<TrimDevice>(*device_));
}

void Backend::wait() {
  std::promise<void> promise;
  const std::future<void> passed = promise.get_future();
  enqueue(std::make_unique<Fence>(std::move(promise)));
  passed.wait();
}

// Commands in the queue may still use them.
void Backend::free_blocks(std::vector<Block*> blocks) {
  enqueue(std::make_unique<FreeBlocks>(std::move(blocks)));
}

void Backend::enqueue(std::function<void()> action) { enqueue(std::make_unique<Action>(std::move(action))); }

}  // namespace transfusion
