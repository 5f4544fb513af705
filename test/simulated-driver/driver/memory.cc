// Device memory: cuMemAlloc and cuMemFree, which is done when the device is.
#include "driver/entry_points.h"
#include "driver/handed_out.h"

namespace simulated {
namespace {

CUresult allocate(CUdeviceptr* address, size_t bytes) {
  return call_in_context("cuMemAlloc", [&](Context& context, Lock&) {
    expect_pointer(address, "dptr");
    if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    Device& device = context.device;
    if (bytes > device.free_memory()) refuse(CUDA_ERROR_OUT_OF_MEMORY);
    *address = GlobalMemory::reserve(bytes, MemoryKind::device);
    driver().addresses.add(
        {.base = *address, .bytes = bytes, .kind = HandedOut::Kind::device, .device = &device});
    device.allocated += bytes;
    device.memory.add_before_work(*address, bytes, MemoryKind::device);
  });
}

CUresult free(CUdeviceptr address) {
  return call_in_context("cuMemFree", [&](Context&, Lock& lock) {
    if (!address) return;
    HandedOut& memory = memory_to_free(address);
    if (memory.on_host() || memory.kind == HandedOut::Kind::global)
      refuse(CUDA_ERROR_INVALID_VALUE, "it was not given by cuMemAlloc or cuMemAllocAsync");
    Device& device = *memory.device;
    finish(device.context, lock);
    memory.freed = true;
    (memory.pool ? memory.pool->used : device.allocated) -= memory.bytes;
    device.memory.remove_before_work(address);
  });
}

CUresult get_info(size_t* free, size_t* total) {
  return call_in_context("cuMemGetInfo", [&](Context& context, Lock&) {
    *free = context.device.free_memory();
    *total = settings().memory;
  });
}

CUresult get_address_range(CUdeviceptr* base, size_t* bytes, CUdeviceptr address) {
  return call_in_context("cuMemGetAddressRange", [&](Context&, Lock&) {
    const HandedOut& memory = memory_at(address, 0, "dptr");
    if (base) *base = memory.base;
    if (bytes) *bytes = memory.bytes;
  });
}

}  // namespace

EntryPoints memory_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuMemAlloc, 3020, allocate),
      ENTRY(cuMemFree, 3020, free),
      ENTRY(cuMemGetInfo, 3020, get_info),
      ENTRY(cuMemGetAddressRange, 3020, get_address_range),
  };
  return entries;
}

}  // namespace simulated
