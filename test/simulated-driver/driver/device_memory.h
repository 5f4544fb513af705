// What a device may touch, in the order of its work: memory that was handed out is there only once the work
// of its stream has come to it.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "driver/settings.h"
#include "shadow/global_memory.h"

namespace simulated {

class DeviceMemory {
 public:
  // On any thread: done before the next work of the device.
  using Change = std::function<void(GlobalMemory&)>;
  void before_work(Change change);
  void add_before_work(uint64_t address, size_t bytes, MemoryKind kind);
  void remove_before_work(uint64_t address);

  // As part of the device's work.
  class Open {
   public:
    explicit Open(DeviceMemory& memory);
    GlobalMemory* operator->() { return &memory_.global_; }
    GlobalMemory& operator*() { return memory_.global_; }

   private:
    std::unique_lock<std::mutex> lock_;
    DeviceMemory& memory_;
  };

 private:
  std::mutex mutex_, pending_mutex_;
  GlobalMemory global_{/*poisons=*/settings().run};
  std::vector<Change> pending_;
};

// Where bytes are to be copied from or to. `memory` null: on the host.
struct Place {
  DeviceMemory* memory = nullptr;
  uint64_t address = 0;
};
// Both throw Fault, as kernels do.
void copy_bytes(Place target, Place source, size_t bytes);
// `width`: bytes of the value, which is repeated.
void set_bytes(Place target, uint64_t value, size_t width, size_t count);

}  // namespace simulated
