#include "driver/handed_out.h"

namespace simulated {
namespace {

// For %llx.
unsigned long long number(uint64_t address) { return address; }

HandedOut& live(uint64_t address, const char* argument) {
  HandedOut* memory = driver().addresses.find(address);
  if (!memory)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: 0x%llx is no device memory and no pinned memory", argument,
           number(address));
  if (memory->freed)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: 0x%llx lies in %zu bytes that were freed", argument,
           number(address), memory->bytes);
  return *memory;
}

}  // namespace

HandedOut& memory_at(uint64_t address, size_t bytes, const char* argument) {
  HandedOut& memory = live(address, argument);
  if (address + bytes > memory.base + memory.bytes)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes from byte %llu of an allocation of %zu bytes", argument,
           bytes, static_cast<unsigned long long>(address - memory.base), memory.bytes);
  return memory;
}

HandedOut* pinned_at(const void* address, size_t bytes) {
  const auto begin = reinterpret_cast<uint64_t>(address);
  HandedOut* memory = driver().addresses.find(begin);
  if (!memory || !memory->on_host() || memory->freed) return nullptr;
  return begin + bytes <= memory->base + memory->bytes ? memory : nullptr;
}

HandedOut& memory_to_free(uint64_t address) {
  HandedOut& memory = live(address, "address");
  if (memory.base != address)
    refuse(CUDA_ERROR_INVALID_VALUE, "0x%llx is byte %llu of an allocation, not its begin", number(address),
           static_cast<unsigned long long>(address - memory.base));
  return memory;
}

}  // namespace simulated
