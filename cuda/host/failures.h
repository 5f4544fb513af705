// Records in which kernels report what they find wrong, in memory of the host that the device writes.
#pragma once

#include <mutex>
#include <vector>

#include "host/driver.h"
#include "kernel.h"

namespace transfusion::cuda {

// A record of one command, as the host and the device see it.
struct FailureSlot {
  FailureRecord* host = nullptr;
  FailureRecord* device = nullptr;
};

// Any thread, with the device's context current.
class FailureSlots {
 public:
  // An empty record. Throws std::bad_alloc.
  FailureSlot take();
  // Once the command is done.
  void give_back(FailureSlot slot);

 private:
  void grow();

  std::mutex mutex_;
  std::vector<FailureSlot> free_;
};

}  // namespace transfusion::cuda
