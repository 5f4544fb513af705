// Memory of the host that the device copies from and to on its own: its pages stay where they are. Making it
// is slow, so what is given back is kept.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "device.h"
#include "host/driver.h"

namespace transfusion::cuda {

// Any thread.
class HostMemory {
 public:
  explicit HostMemory(CUcontext context) : context_(context) {}

  // Null when there is none. Whoever drops it last gives it back.
  std::shared_ptr<void> allocate(size_t bytes);

 private:
  // Small blocks come in sizes of powers of two, cut from slabs that are never freed.
  static constexpr int kLeastShift = 8, kMostShift = 16;
  static constexpr size_t kSlab = size_t{1} << 20;
  // Of large blocks, the most bytes that are kept.
  static constexpr size_t kMostCached = size_t{256} << 20;

  void* take_small(int shift);
  void give_back_small(void* data, int shift);
  void* take_large(size_t bytes);
  void give_back_large(void* data, size_t bytes);
  void* make(size_t bytes);

  const CUcontext context_;
  std::mutex mutex_;
  std::array<std::vector<void*>, kMostShift + 1> small_;
  std::multimap<size_t, void*> large_;
  size_t cached_ = 0;  // bytes in large_
};

}  // namespace transfusion::cuda
