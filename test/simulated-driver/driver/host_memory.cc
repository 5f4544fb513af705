// Pinned memory of the host: devices read and write it at the address that the host uses. Registered memory
// is for copies alone.
#include <algorithm>

#include "driver/entry_points.h"
#include "driver/handed_out.h"
#include "driver/settings.h"

namespace simulated {
namespace {

// Once nothing that was given before uses it.
void wait_for_devices(Lock& lock) {
  for (const auto& device : driver().devices)
    if (device->context.retained) finish(device->context, lock);
}

size_t pinned_bytes() {
  size_t bytes = 0;
  for (const auto& [base, memory] : driver().addresses.all())
    if (memory.kind == HandedOut::Kind::host && !memory.freed) bytes += memory.bytes;
  return bytes;
}

CUresult allocate_as(const char* function, void** pointer, size_t bytes, unsigned flags) {
  return call_in_context(function, [&](Context&, Lock&) {
    expect_pointer(pointer, "pp");
    if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    if (bytes > settings().pinned - std::min(settings().pinned, pinned_bytes()))
      refuse(CUDA_ERROR_OUT_OF_MEMORY);
    const uint64_t address = GlobalMemory::reserve(bytes, MemoryKind::pinned);
    *pointer = reinterpret_cast<void*>(address);
    driver().addresses.add({.base = address, .bytes = bytes, .kind = HandedOut::Kind::host, .flags = flags});
    for (const auto& device : driver().devices)
      if (device->context.retained) device->memory.add_before_work(address, bytes, MemoryKind::pinned);
  });
}

CUresult host_alloc(void** pointer, size_t bytes, unsigned flags) {
  return allocate_as("cuMemHostAlloc", pointer, bytes, flags);
}

CUresult alloc_host(void** pointer, size_t bytes) { return allocate_as("cuMemAllocHost", pointer, bytes, 0); }

HandedOut& pinned_to_free(void* pointer, HandedOut::Kind kind, const char* giver) {
  HandedOut* const memory = pinned_at(pointer, 0);
  if (!memory || memory->kind != kind || memory->base != reinterpret_cast<uint64_t>(pointer))
    refuse(kind == HandedOut::Kind::registered ? CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED
                                               : CUDA_ERROR_INVALID_VALUE,
           "%p was not given by %s, or was given back", pointer, giver);
  return *memory;
}

CUresult free_host(void* pointer) {
  return call_in_context("cuMemFreeHost", [&](Context&, Lock& lock) {
    HandedOut& memory = pinned_to_free(pointer, HandedOut::Kind::host, "cuMemHostAlloc");
    wait_for_devices(lock);
    memory.freed = true;
    for (const auto& device : driver().devices)
      if (device->context.retained) device->memory.remove_before_work(memory.base);
  });
}

CUresult host_register(void* pointer, size_t bytes, unsigned flags) {
  return call_in_context("cuMemHostRegister", [&](Context&, Lock&) {
    if (!pointer || !bytes) refuse(CUDA_ERROR_INVALID_VALUE, "no memory");
    const auto begin = reinterpret_cast<uint64_t>(pointer);
    if (driver().addresses.find(begin) || driver().addresses.find(begin + bytes - 1))
      refuse(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "a part of it is pinned already");
    driver().addresses.add(
        {.base = begin, .bytes = bytes, .kind = HandedOut::Kind::registered, .flags = flags});
  });
}

CUresult host_unregister(void* pointer) {
  return call_in_context("cuMemHostUnregister", [&](Context&, Lock& lock) {
    pinned_to_free(pointer, HandedOut::Kind::registered, "cuMemHostRegister");
    wait_for_devices(lock);
    driver().addresses.remove(reinterpret_cast<uint64_t>(pointer));
  });
}

CUresult get_device_pointer(CUdeviceptr* address, void* pointer, unsigned flags) {
  return call_in_context("cuMemHostGetDevicePointer", [&](Context&, Lock&) {
    if (flags) refuse(CUDA_ERROR_INVALID_VALUE, "flags are to be 0");
    const HandedOut* const memory = pinned_at(pointer, 0);
    if (!memory) refuse(CUDA_ERROR_INVALID_VALUE, "%p is no pinned memory", pointer);
    if (memory->kind == HandedOut::Kind::registered)
      refuse(CUDA_ERROR_NOT_SUPPORTED, "simulated kernels do not see registered memory: use cuMemHostAlloc");
    *address = reinterpret_cast<CUdeviceptr>(pointer);
  });
}

CUresult get_flags(unsigned* flags, void* pointer) {
  return call_in_context("cuMemHostGetFlags", [&](Context&, Lock&) {
    const HandedOut* const memory = pinned_at(pointer, 0);
    if (!memory) refuse(CUDA_ERROR_INVALID_VALUE, "%p is no pinned memory", pointer);
    *flags = memory->flags | CU_MEMHOSTALLOC_DEVICEMAP;
  });
}

}  // namespace

EntryPoints host_memory_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuMemHostAlloc, 2020, host_alloc),
      ENTRY(cuMemAllocHost, 3020, alloc_host),
      ENTRY(cuMemFreeHost, 2000, free_host),
      ENTRY(cuMemHostRegister, 6050, host_register),
      ENTRY(cuMemHostUnregister, 4000, host_unregister),
      ENTRY(cuMemHostGetDevicePointer, 3020, get_device_pointer),
      ENTRY(cuMemHostGetFlags, 2030, get_flags),
  };
  return entries;
}

}  // namespace simulated
