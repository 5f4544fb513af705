#include "driver/addresses.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace simulated {
namespace {

constexpr size_t kChunk = size_t{4} << 30;
constexpr size_t kAlignment = 256;  // what CUDA promises; here no more
constexpr size_t kPage = 4096;

}  // namespace

uint64_t Addresses::take(size_t bytes) {
  const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
  if (next_ + size > end_) {
    const size_t chunk = std::max(kChunk, (size + kPage) / kPage * kPage);
    void* memory = mmap(nullptr, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    next_ = reinterpret_cast<uint64_t>(memory);
    end_ = next_ + chunk;
  }
  const uint64_t address = next_;
  next_ += size;
  return address | kDeviceBit;
}

void Addresses::give_back(uint64_t address, size_t bytes) {
  const uint64_t begin = ((address & ~kDeviceBit) + kPage - 1) / kPage * kPage;
  const uint64_t end = ((address & ~kDeviceBit) + bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

HandedOut& Addresses::add(const HandedOut& allocation) {
  return allocations_[allocation.base] = allocation;
}

void Addresses::remove(uint64_t base) { allocations_.erase(base); }

HandedOut* Addresses::find(uint64_t address) {
  const auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  HandedOut& allocation = std::prev(after)->second;
  return address < allocation.base + std::max<size_t>(allocation.bytes, 1) ? &allocation : nullptr;
}

}  // namespace simulated
