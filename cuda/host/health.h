// Whether a device can still work. Some errors end it for good, for this process: the driver answers every
// later call with them.
#pragma once

#include <atomic>
#include <mutex>

#include "host/driver.h"
#include "kernel_types.h"

namespace transfusion::cuda {

// Any thread.
class Health {
 public:
  explicit Health(std::string device) : device_(std::move(device)) {}

  bool ended() const { return ended_; }
  // Why it has ended.
  Status status() const;

  // What the result of a driver call means for whoever made it; ends the device where the error is one that
  // stays. `cause`: what was being done, as far as that is known.
  Status judge(CUresult result, const char* function, const char* cause = nullptr);
  Status end(CUresult result, const char* cause = nullptr);

 private:
  const std::string device_;
  mutable std::mutex mutex_;
  std::atomic<bool> ended_ = false;
  Status status_;
};

}  // namespace transfusion::cuda
