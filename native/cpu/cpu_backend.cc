// The CPU as a backend: its table of kernels, and memory that is aligned and in huge pages where it is large.
#include <sys/mman.h>

#include <cstdlib>

#include "backend.h"
#include "cpu/cpu.h"
#include "cpu/runtime.h"

namespace transfusion {
namespace {

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

Backend& cpu_backend() {
  static const KernelTable& table = *new KernelTable(cpu_kernels());
  static Backend& backend = [&]() -> Backend& {
    auto& made = *new Backend(table, {allocate_on_cpu, [](void* data, size_t) { std::free(data); }},
                              default_memory_limit());
    made.enqueue(cpu::lengthen_time_slice);
    return made;
  }();
  return backend;
}

}  // namespace transfusion
