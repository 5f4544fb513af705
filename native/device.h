// What a backend asks of its device: memory, copies, and to say when work is done. The CPU does everything
// within the call; a device that works on its own returns at once and is done later.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "product_choices.h"

namespace transfusion {

using Clock = std::chrono::steady_clock;

// Memory of the host that a device copies from or to; whoever uses it shares it.
struct HostBuffer {
  std::shared_ptr<void> data;
  size_t bytes = 0;
};

// How the work of one command ended.
struct Outcome {
  Status status;                 // what the device found wrong; what the host found is known before
  Clock::time_point start, end;  // only where times were asked for
  bool device_ended = false;     // the device does no more work in this process; `status` says why
};

// Of what a device is and can do, for users.
struct DeviceProperty {
  const char* name;
  std::variant<bool, double, std::string> value;
};

// Of what tensors and kernels take together, up to a limit.
class MemoryBudget {
 public:
  virtual ~MemoryBudget() = default;
  // For memory that kernels use besides tensors. Throws a std::runtime_error beyond the limit.
  virtual void take_scratch(size_t bytes) = 0;
  virtual void give_back_scratch(size_t bytes) = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  // "cpu", "cuda:0"
  virtual std::string name() const = 0;
  virtual std::vector<DeviceProperty> properties() const = 0;

  // These on any thread. Device memory, for work that is given later; null when there is none.
  virtual void* allocate(size_t bytes) = 0;
  // Throws std::bad_alloc.
  virtual HostBuffer allocate_host(size_t bytes) = 0;
  // The same for what is uploaded alone.
  virtual HostBuffer allocate_upload(size_t bytes) { return allocate_host(bytes); }
  // Gives what was freed, where the device has kept it, to the system.
  virtual void trim() {}
  // Called once, before any work: what kernels use besides tensors is taken from `budget`, where the device
  // counts it.
  virtual void set_budget(MemoryBudget&) {}

  // The rest is called by the stream's thread alone. Work is done in the order in which it is given, and may
  // be unfinished when a call returns.
  virtual void free(void* data, size_t bytes) = 0;
  // Frees what kernels have kept besides tensors, between commands.
  virtual void free_scratch() {}
  virtual void upload(void* target, const HostBuffer& source) = 0;
  virtual void read(const HostBuffer& target, const void* source) = 0;
  // What kernels get; its scratch is valid until end().
  virtual Context& context() = 0;

  using Done = std::function<void(const Outcome&)>;
  // The ways in which the device can compute a product, with the median times of `samples` runs each, in the
  // order in which ways of equal time are to be preferred. Waits for the device. Throws std::runtime_error.
  virtual std::vector<ProductTime> measure_product(const ProductShape& shape, int samples) {
    throw std::runtime_error("a product is computed in one way on " + name());
  }

  // From here to end(), times are wanted.
  virtual void start_timing() = 0;
  // Ends the work of a command. `done` is called once all that was given before is done: in the order of
  // these calls, on any one thread, perhaps before end() returns. Where nobody waits for it (not `awaited`),
  // it may wait for that of a later command, or for flush().
  virtual void end(Done done, bool awaited) = 0;
  // No command follows at once: `done` of all that have ended is called as soon as they are done.
  virtual void flush() {}
};

}  // namespace transfusion
