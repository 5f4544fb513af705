// What waits in a stream's queue. Commands are made on JavaScript threads and launched in order on the
// stream's own.
#pragma once

#include <atomic>
#include <memory>

#include "device.h"
#include "pool.h"
#include "product_choices.h"
#include "recording.h"

namespace transfusion {

// The calls of one piece of work (a generation, say) that can be cancelled together.
struct Job {
  std::atomic<bool> cancelled{false};
};

// One JavaScript environment. Once it is closed, its queued commands are dropped and its promises forgotten.
struct Owner {
  std::atomic<bool> closed{false};
};

class Command {
 public:
  virtual ~Command() = default;
  // Gives its work to the device, which may do it later. Runs on the stream's thread, where the launch marks
  // and versions of blocks may be touched.
  virtual void launch(Device& device) = 0;
  // Runs instead of launch() when the job was cancelled first.
  virtual void cancel() = 0;
  // Runs after either, or alone where the device has ended, once the device is done with this command and all
  // before it; `status`: what the device found wrong. Runs on the one thread where the marks of blocks may be
  // touched: the stream's, or one of the device's.
  virtual void complete(const Status& status) = 0;
  // What it is, for profiles and messages. For profiles, before launch() and on the same thread, `device`
  // copies what the count of operations depends on; without it they are not counted.
  virtual void describe(Work& work, Device* device) = 0;
  // Whether somebody waits until it is complete.
  virtual bool is_awaited() const { return false; }

  std::shared_ptr<Job> job;
  std::shared_ptr<Owner> owner;
  std::shared_ptr<ProductChoices> products;  // of kernels; null: products are computed as a fixed rule says
};

inline Mark cancelled_mark() {
  static const Mark mark = std::make_shared<const Failure>(Failure{"the work was cancelled"});
  return mark;
}

}  // namespace transfusion
