// The host's own memory and processors as a device: all work is done when a call returns.
#pragma once

#include <memory>
#include <vector>

#include "device.h"

namespace transfusion {

// Scratch of the running kernel: a stack of chunks that is emptied after each command and grows as needed.
class Arena {
 public:
  void* allocate(size_t bytes);
  void reset();

 private:
  struct Free {
    void operator()(void* data) const;
  };
  std::vector<std::unique_ptr<void, Free>> chunks_;
  size_t capacity_ = 0;  // of the last chunk
  size_t used_ = 0;
};

class HostDevice : public Device {
 public:
  HostDevice();

  std::string name() const override { return "cpu"; }
  std::vector<DeviceProperty> properties() const override { return {}; }

  void* allocate(size_t bytes) override;
  HostBuffer allocate_host(size_t bytes) override;
  void free(void* data, size_t bytes) override;
  void upload(void* target, const HostBuffer& source) override;
  void read(const HostBuffer& target, const void* source) override;
  Context& context() override { return context_; }
  void start_timing() override;
  void end(Done done, bool awaited) override;

 private:
  Arena arena_;
  Context context_;
  Outcome outcome_;
  bool timing_ = false;
};

}  // namespace transfusion
