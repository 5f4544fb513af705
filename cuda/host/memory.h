// Memory of a device, in the order of its stream.
#pragma once

#include <vector>

#include "device.h"
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

// Memory of kernels besides tensors: it counts with theirs against the device's limit. Touched by the
// stream's thread alone.
class WorkMemory {
 public:
  explicit WorkMemory(DeviceMemory& memory) : memory_(memory) {}
  // Until then nothing is counted.
  void set_budget(MemoryBudget& budget) { budget_ = &budget; }

  // Throws a std::runtime_error beyond the limit, std::bad_alloc where the driver has none.
  void* allocate(size_t bytes);
  CUresult free(void* data, size_t bytes);

 private:
  DeviceMemory& memory_;
  MemoryBudget* budget_ = nullptr;
};

// Memory of one command: a stack that later commands use again, as they come later in the stream. Touched by
// the stream's thread alone.
class Scratch {
 public:
  explicit Scratch(WorkMemory& memory) : memory_(memory) {}

  // A multiple of 256. Throws as WorkMemory.
  void* allocate(size_t bytes);
  // Begins again; the largest chunk is kept.
  void reset() { keep(1); }
  void clear() { keep(0); }

 private:
  struct Chunk {
    void* data;
    size_t bytes;
  };

  void keep(size_t most);

  WorkMemory& memory_;
  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // of the last one
};

}  // namespace transfusion::cuda
