#include "host/events.h"

#include <algorithm>

namespace transfusion::cuda {

CUevent EventPool::take() {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      const CUevent event = free_.back();
      free_.pop_back();
      return event;
    }
  }
  CUevent event = nullptr;
  TRANSFUSION_CHECK_DRIVER(EventCreate, &event,
                           CU_EVENT_BLOCKING_SYNC | (timing_ ? 0 : CU_EVENT_DISABLE_TIMING));
  return event;
}

void EventPool::give_back(CUevent event) {
  std::lock_guard lock(mutex_);
  free_.push_back(event);
}

void EventClock::set(CUevent reference, Clock::time_point time) {
  reference_ = reference;
  time_ = time;
}

Clock::time_point EventClock::advance(CUevent event) {
  float milliseconds = 0;
  driver().EventElapsedTime(&milliseconds, reference_, event);
  events_.give_back(reference_);
  reference_ = event;
  time_ +=
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(milliseconds));
  // Both clocks drift: what has happened does not lie ahead.
  time_ = std::min(time_, Clock::now());
  return time_;
}

}  // namespace transfusion::cuda
