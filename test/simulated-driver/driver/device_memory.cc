#include "driver/device_memory.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "driver/addresses.h"
#include "machine/fault.h"

namespace simulated {
namespace {

void expect(const GlobalMemory& memory, uint64_t address, size_t bytes, const char* what) {
  if (memory.contains(address, bytes)) return;
  throw Fault(FaultKind::out_of_bounds, std::string(what) + " of " + std::to_string(bytes) + " bytes: " +
                                            memory.describe(address));
}

}  // namespace

void DeviceMemory::add_before_work(uint64_t address, size_t bytes, MemoryKind kind) {
  std::lock_guard lock(pending_mutex_);
  pending_.push_back([=](Open& open) { open->add(address, bytes, kind); });
}

void DeviceMemory::remove_before_work(uint64_t address, size_t bytes) {
  std::lock_guard lock(pending_mutex_);
  pending_.push_back([=](Open& open) { open.remove(address, bytes); });
}

DeviceMemory::Open::Open(DeviceMemory& memory) : lock_(memory.mutex_), memory_(memory) {
  std::vector<std::function<void(Open&)>> pending;
  {
    std::lock_guard lock(memory.pending_mutex_);
    pending.swap(memory.pending_);
  }
  for (const auto& change : pending) change(*this);
}

void DeviceMemory::Open::add(uint64_t address, size_t bytes) {
  memory_.global_.add(address, bytes, MemoryKind::device);
}

void DeviceMemory::Open::remove(uint64_t address, size_t bytes) {
  memory_.global_.remove(address);
  if (address & kDeviceBit) Addresses::give_back(address, bytes);
}

void copy_bytes(Place target, Place source, size_t bytes) {
  // In the order of their addresses, so that two devices that copy from each other do not wait forever.
  DeviceMemory* const first = std::min(target.memory, source.memory);
  DeviceMemory* const second = std::max(target.memory, source.memory);
  std::optional<DeviceMemory::Open> one, two;
  if (first) one.emplace(*first);
  if (second && second != first) two.emplace(*second);
  const auto open = [&](DeviceMemory* memory) -> GlobalMemory* {
    if (!memory) return nullptr;
    return memory == first ? &**one : &**two;
  };
  GlobalMemory* const from = open(source.memory);
  GlobalMemory* const to = open(target.memory);
  if (from) expect(*from, source.address, bytes, "copy from device memory");
  if (to) expect(*to, target.address, bytes, "copy to device memory");
  std::memmove(GlobalMemory::host(target.address), GlobalMemory::host(source.address), bytes);
  if (to && to == from)
    to->copy_written(target.address, source.address, bytes);
  else if (to)
    to->mark_written(target.address, bytes);
}

void set_bytes(Place target, uint64_t value, size_t width, size_t count) {
  DeviceMemory::Open open(*target.memory);
  expect(*open, target.address, width * count, "memset");
  std::byte* bytes = GlobalMemory::host(target.address);
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes + i * width, &value, width);
  open->mark_written(target.address, width * count);
}

}  // namespace simulated
