// Work that was given to a stream, until it is done: a thread waits for it, command by command.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

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
  CUevent end = nullptr;     // absent where the device has ended
  bool timed = false;
  Device::Done done;
};

class Completion {
 public:
  // `synchronous`: add() waits itself.
  Completion(CUcontext context, bool synchronous, Health& health, FailureSlots& failures);

  // By the stream's thread. Work ends in the order of these calls.
  void add(GivenWork work);

  EventPool& events(bool timed) { return timed ? timed_events_ : events_; }
  // Set before add() is called with timed work, from when on the thread alone uses it.
  EventClock& clock() { return clock_; }

 private:
  void run();
  void complete(GivenWork work);
  GivenWork next();
  Outcome finish(GivenWork& work);

  const CUcontext context_;
  const bool synchronous_;
  Health& health_;
  FailureSlots& failures_;
  EventPool events_{false}, timed_events_{true};
  EventClock clock_{timed_events_};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<GivenWork> given_;
};

}  // namespace transfusion::cuda
