// Of a GPU: memory, and what is copied between it and the host.
#include <algorithm>
#include <cstdlib>
#include <new>

#include "host/cuda_device.h"

namespace transfusion::cuda {
namespace {

CUdeviceptr address_of(const void* data) { return reinterpret_cast<CUdeviceptr>(data); }

HostBuffer pageable(size_t bytes) {
  void* data = std::malloc(std::max<size_t>(bytes, 1));
  if (!data) throw std::bad_alloc();
  return {std::shared_ptr<void>(data, std::free), bytes};
}

}  // namespace

size_t CudaDevice::memory_limit() const {
  constexpr size_t kReserve = size_t{512} << 20;
  size_t free = 0, total = 0;
  TRANSFUSION_CHECK_DRIVER(MemGetInfo, &free, &total);
  const size_t most = free / 10 * 9;
  return std::max(most / 2, most - std::min(most, kReserve));
}

// Other libraries may have made theirs current on a thread of JavaScript.
void* CudaDevice::allocate(size_t bytes) {
  if (health_.ended() || driver().CtxSetCurrent(cuda_context_) != CUDA_SUCCESS) return nullptr;
  return memory_->allocate(bytes);
}

HostBuffer CudaDevice::allocate_host(size_t bytes) {
  if (auto data = health_.ended() ? nullptr : host_memory_->allocate(bytes)) return {std::move(data), bytes};
  // No copy comes from or to it once the device has ended: what is asked is answered with the reason.
  if (health_.ended()) return pageable(bytes);
  throw std::bad_alloc();
}

HostBuffer CudaDevice::allocate_upload(size_t bytes) {
  return UploadRing::is_for(bytes) ? pageable(bytes) : allocate_host(bytes);
}

void CudaDevice::trim() {
  if (!health_.ended()) judge(memory_->trim(), "cuMemPoolTrimTo");
}

void CudaDevice::free(void* data, size_t) {
  enter();
  if (!health_.ended()) note(judge(memory_->free(data), "cuMemFreeAsync"));
}

void CudaDevice::free_scratch() {
  enter();
  if (health_.ended()) return;
  scratch_->clear();
  kept_->clear();
}

void CudaDevice::upload(void* target, const HostBuffer& source) {
  enter();
  if (source.bytes == 0 || health_.ended()) return;
  try {
    uploads_->upload(address_of(target), source, stream_);
  } catch (const DriverError& error) {
    note(judge(error.result, "upload"));
  }
}

void CudaDevice::read(const HostBuffer& target, const void* source) {
  enter();
  if (target.bytes == 0 || health_.ended()) return;
  note(judge(driver().MemcpyDtoHAsync(target.data.get(), address_of(source), target.bytes, stream_),
             "cuMemcpyDtoHAsync"));
}

}  // namespace transfusion::cuda
