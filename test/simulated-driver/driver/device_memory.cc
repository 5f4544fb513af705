#include "driver/device_memory.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace simulated {
void DeviceMemory::before_work(Change change) {
  std::lock_guard lock(pending_mutex_);
  pending_.push_back(std::move(change));
}

void DeviceMemory::add_before_work(uint64_t address, size_t bytes, MemoryKind kind) {
  before_work([=](GlobalMemory& memory) { memory.add(address, bytes, kind); });
}

void DeviceMemory::remove_before_work(uint64_t address) {
  before_work([=](GlobalMemory& memory) { memory.remove(address); });
}

DeviceMemory::Open::Open(DeviceMemory& memory) : lock_(memory.mutex_), memory_(memory) {
  std::vector<Change> pending;
  {
    std::lock_guard lock(memory.pending_mutex_);
    pending.swap(memory.pending_);
  }
  for (const Change& change : pending) change(memory_.global_);
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
  if (from) from->check(source.address, bytes, "source of the copy");
  if (to) to->check(target.address, bytes, "target of the copy");
  std::memmove(GlobalMemory::host(target.address), GlobalMemory::host(source.address), bytes);
  if (to && to == from)
    to->copy_written(target.address, source.address, bytes);
  else if (to)
    to->mark_written(target.address, bytes);
}

void set_bytes(Place target, uint64_t value, size_t width, size_t count) {
  DeviceMemory::Open open(*target.memory);
  open->check(target.address, width * count, "memory to be set");
  u8* bytes = GlobalMemory::host(target.address);
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes + i * width, &value, width);
  open->mark_written(target.address, width * count);
}

}  // namespace simulated
