#include "host/failures.h"

#include <new>

namespace transfusion::cuda {

FailureSlot FailureSlots::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) grow();
  const FailureSlot slot = free_.back();
  free_.pop_back();
  *slot.host = {};
  return slot;
}

void FailureSlots::give_back(FailureSlot slot) {
  std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

void FailureSlots::grow() {
  constexpr size_t kSlots = 256;
  void* host = nullptr;
  CUdeviceptr device = 0;
  if (driver().MemHostAlloc(&host, kSlots * sizeof(FailureRecord),
                            CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP) != CUDA_SUCCESS ||
      driver().MemHostGetDevicePointer(&device, host, 0) != CUDA_SUCCESS)
    throw std::bad_alloc();
  auto* records = static_cast<FailureRecord*>(host);
  for (size_t i = kSlots; i-- > 0;)
    free_.push_back({records + i, reinterpret_cast<FailureRecord*>(device) + i});
}

}  // namespace transfusion::cuda
