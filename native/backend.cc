#include "backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "cpu/cpu.h"

namespace transfusion {
namespace {

struct Action final : Command {
  explicit Action(std::function<void()> action) : action(std::move(action)) {}
  void run(Context&) override { action(); }
  void cancel() override { action(); }
  std::function<void()> action;
};

constexpr size_t kHugePage = size_t{2} << 20;

void* allocate_on_cpu(size_t bytes) {
  if (bytes < kHugePage) return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  void* data = std::aligned_alloc(kHugePage, (bytes + kHugePage - 1) / kHugePage * kHugePage);
#ifdef MADV_HUGEPAGE
  if (data) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

KernelTable cpu_kernels() {
  KernelTable table;
  table.size = sizeof table;
  table.hash = kernel_list_hash();
#define K(name, arguments) table.name = cpu::name;
  KERNELS(K)
#undef K
  return table;
}

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

Backend& cpu_backend() {
  static const KernelTable& table = *new KernelTable(cpu_kernels());
  static Backend& backend = *new Backend(
      table, {allocate_on_cpu, [](void* data, size_t) { std::free(data); }}, default_memory_limit());
  return backend;
}

}  // namespace transfusion
