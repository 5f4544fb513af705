#include "host/memory.h"

#include <algorithm>
#include <cstdint>
#include <new>

namespace transfusion::cuda {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kFirstChunk = size_t{4} << 20;

CUdeviceptr address_of(void* data) { return reinterpret_cast<CUdeviceptr>(data); }

}  // namespace

DeviceMemory::DeviceMemory(int ordinal, CUdevice device, CUstream stream) : stream_(stream) {
  int supported = 0;
  TRANSFUSION_CHECK_DRIVER(DeviceGetAttribute, &supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED,
                           device);
  if (!supported) return;
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = ordinal;
  TRANSFUSION_CHECK_DRIVER(MemPoolCreate, &pool_, &properties);
  // Else whatever is free would go back to the system whenever the host waits.
  cuuint64_t kept = UINT64_MAX;
  TRANSFUSION_CHECK_DRIVER(MemPoolSetAttribute, pool_, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &kept);
}

void* DeviceMemory::allocate(size_t bytes) {
  CUdeviceptr address = 0;
  const CUresult result = pool_ ? driver().MemAllocFromPoolAsync(&address, bytes, pool_, stream_)
                                : driver().MemAlloc(&address, bytes);
  return result == CUDA_SUCCESS ? reinterpret_cast<void*>(address) : nullptr;
}

CUresult DeviceMemory::free(void* data) {
  return pool_ ? driver().MemFreeAsync(address_of(data), stream_) : driver().MemFree(address_of(data));
}

CUresult DeviceMemory::trim() { return pool_ ? driver().MemPoolTrimTo(pool_, 0) : CUDA_SUCCESS; }

void* WorkMemory::allocate(size_t bytes) {
  if (budget_) budget_->take_scratch(bytes);
  void* data = memory_.allocate(bytes);
  if (data) return data;
  if (budget_) budget_->give_back_scratch(bytes);
  throw std::bad_alloc();
}

CUresult WorkMemory::free(void* data, size_t bytes) {
  if (budget_) budget_->give_back_scratch(bytes);
  return memory_.free(data);
}

void* Scratch::allocate(size_t bytes) {
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t capacity = chunks_.empty() ? 0 : chunks_.back().bytes;
  if (chunks_.empty() || used_ + bytes > capacity) {
    Chunk chunk{nullptr, std::max({kFirstChunk, 2 * capacity, bytes})};
    try {
      chunk.data = memory_.allocate(chunk.bytes);
    } catch (const std::exception&) {
      if (chunk.bytes == bytes) throw;
      chunk = {memory_.allocate(bytes), bytes};
    }
    chunks_.push_back(chunk);
    used_ = 0;
  }
  void* result = static_cast<char*>(chunks_.back().data) + used_;
  used_ += bytes;
  return result;
}

void Scratch::keep(size_t most) {
  while (chunks_.size() > most) {
    memory_.free(chunks_.front().data, chunks_.front().bytes);
    chunks_.erase(chunks_.begin());
  }
  used_ = 0;
}

}  // namespace transfusion::cuda
