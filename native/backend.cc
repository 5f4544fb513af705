#include "backend.h"

namespace transfusion {
namespace {

struct Action final : Command {
  explicit Action(std::function<void()> action) : action(std::move(action)) {}
  void run(Context&) override { action(); }
  void cancel() override { action(); }
  void describe(Work& work) override { work.name = "(housekeeping)"; }
  std::function<void()> action;
};

}  // namespace

Block* Backend::take(size_t bytes) {
  std::vector<Block*> evicted;
  Block* block = pool_.take(bytes, evicted);
  if (!evicted.empty()) free_blocks(std::move(evicted));
  if (!block->data) block->data = memory_.allocate(block->bytes);
  if (!block->data) {
    pool_.forget(block);
    throw MemoryLimitReached("out of memory: the system refused " + std::to_string(bytes) + " bytes");
  }
  return block;
}

void Backend::trim() { free_blocks(pool_.trim()); }

void Backend::free_blocks(std::vector<Block*> blocks) {
  // Queued kernels may still use them: the stream frees them when it gets there.
  enqueue([blocks = std::move(blocks), free = memory_.free] {
    for (Block* block : blocks) {
      free(block->data, block->bytes);
      delete block;
    }
  });
}

void Backend::enqueue(std::function<void()> action) { enqueue(std::make_unique<Action>(std::move(action))); }

}  // namespace transfusion
