// Memory of a device, in the order of its stream.
#pragma once

#include <vector>

#include "host/driver.h"

namespace transfusion::cuda {

// What is freed stays with the process, for what is allocated next. The caller has made the device's context
// current.
class DeviceMemory {
 public:
  DeviceMemory(int ordinal, CUdevice device, CUstream stream);

  // Null when there is none. Any thread: the memory is there for what the stream is given later.
  void* allocate(size_t bytes);
  // The stream's work until now may use it.
  CUresult free(void* data);
  // Gives what is free to the system.
  CUresult trim();

 private:
  const CUstream stream_;
  CUmemoryPool pool_ = nullptr;  // null: the device has none, calls wait for it
};

// Memory of one command: a stack that later commands use again, as they come later in the stream. Touched by
// the stream's thread alone.
class Scratch {
 public:
  explicit Scratch(DeviceMemory& memory) : memory_(memory) {}

  // A multiple of 256. Throws std::bad_alloc.
  void* allocate(size_t bytes);
  // Begins again; the largest chunk is kept.
  void reset();

 private:
  DeviceMemory& memory_;
  std::vector<void*> chunks_;
  size_t capacity_ = 0;  // of the last chunk
  size_t used_ = 0;
};

}  // namespace transfusion::cuda
