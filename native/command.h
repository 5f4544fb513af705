// What waits in a stream's queue. Commands are made on JavaScript threads and run in order on the stream's
// own.
#pragma once

#include <atomic>
#include <memory>

#include "kernel_types.h"
#include "pool.h"
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
  // Runs on the stream's thread, where blocks and their marks may be touched.
  virtual void run(Context& context) = 0;
  // Runs instead of run() when the job was cancelled first.
  virtual void cancel() = 0;
  // What a profile is told of it, before run() and on the same thread.
  virtual void describe(Work& work) = 0;

  std::shared_ptr<Job> job;
  std::shared_ptr<Owner> owner;
};

inline Mark cancelled_mark() {
  static const Mark mark = std::make_shared<const Failure>(Failure{"the work was cancelled"});
  return mark;
}

}  // namespace transfusion
