// Work that was given to a stream, until it is done: a thread waits for it. Commands that nobody waits for
// share an event, which costs the host and the device time.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "device.h"
#include "host/events.h"
#include "host/failures.h"
#include "host/health.h"
#include "host/launch.h"

namespace transfusion::cuda {

// One command.
struct GivenWork {
  Status status;             // what went wrong as it was given
  FailureSlot failure{};     // where its kernels report; absent where they do not
  DescribeFailure describe;  // what such a report means
  CUevent start = nullptr;   // where times are wanted
  Device::Done done;
};

class Completion {
 public:
  // `synchronous`: close() waits itself.
  Completion(CUcontext context, bool synchronous, Health& health, FailureSlots& failures);

  // These by the stream's thread. Work ends in the order of these calls, and once `end` has passed that
  // closes it; null where the device has ended. Of timed work it is the end's time, and closes it alone.
  void add(GivenWork work) { open_.push_back(std::move(work)); }
  void close(CUevent end);
  // Commands that were not closed.
  size_t open() const { return open_.size(); }

  EventPool& events(bool timed) { return timed ? timed_events_ : events_; }
  // Set before timed work is closed, from when on the thread alone uses it.
  EventClock& clock() { return clock_; }

 private:
  struct Batch {
    std::vector<GivenWork> works;
    CUevent end;
  };

  void run();
  void complete(Batch batch);
  Batch next();
  Outcome finish(GivenWork& work, CUevent end);

  const CUcontext context_;
  const bool synchronous_;
  Health& health_;
  FailureSlots& failures_;
  EventPool events_{false}, timed_events_{true};
  EventClock clock_{timed_events_};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Batch> given_;
  std::vector<GivenWork> open_;  // the stream's thread's own
};

}  // namespace transfusion::cuda
