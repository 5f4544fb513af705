#include "host/host_memory.h"

#include <algorithm>
#include <bit>

namespace transfusion::cuda {

std::shared_ptr<void> HostMemory::allocate(size_t bytes) {
  const int shift = std::max(kLeastShift, static_cast<int>(std::bit_width(std::max<size_t>(bytes, 1) - 1)));
  if (shift <= kMostShift) {
    void* data = take_small(shift);
    if (!data) return nullptr;
    return {data, [this, shift](void* data) { give_back_small(data, shift); }};
  }
  const size_t step = std::bit_floor(bytes) / 8;
  const size_t size = (bytes + step - 1) / step * step;
  void* data = take_large(size);
  if (!data) return nullptr;
  return {data, [this, size](void* data) { give_back_large(data, size); }};
}

void* HostMemory::take_small(int shift) {
  std::lock_guard lock(mutex_);
  auto& blocks = small_[static_cast<size_t>(shift)];
  if (blocks.empty()) {
    auto* slab = static_cast<char*>(make(kSlab));
    if (!slab) return nullptr;
    for (size_t offset = kSlab; offset > 0; offset -= size_t{1} << shift)
      blocks.push_back(slab + offset - (size_t{1} << shift));
  }
  void* data = blocks.back();
  blocks.pop_back();
  return data;
}

void HostMemory::give_back_small(void* data, int shift) {
  std::lock_guard lock(mutex_);
  small_[static_cast<size_t>(shift)].push_back(data);
}

void* HostMemory::take_large(size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto found = large_.find(bytes);
  if (found == large_.end()) return make(bytes);
  void* data = found->second;
  large_.erase(found);
  cached_ -= bytes;
  return data;
}

void HostMemory::give_back_large(void* data, size_t bytes) {
  std::unique_lock lock(mutex_);
  if (cached_ + bytes <= kMostCached) {
    large_.emplace(bytes, data);
    cached_ += bytes;
    return;
  }
  lock.unlock();
  // As the process ends, the driver may be gone: it then says so.
  driver().CtxSetCurrent(context_);
  driver().MemFreeHost(data);
}

void* HostMemory::make(size_t bytes) {
  void* data = nullptr;
  driver().CtxSetCurrent(context_);
  return driver().MemHostAlloc(&data, bytes, CU_MEMHOSTALLOC_PORTABLE) == CUDA_SUCCESS ? data : nullptr;
}

}  // namespace transfusion::cuda
