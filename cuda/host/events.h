// Events of a stream, used again and again, and their times on the host's clock.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "device.h"
#include "host/driver.h"

namespace transfusion::cuda {

// Waiting for one sleeps. Any thread, with the device's context current.
class EventPool {
 public:
  // `timing`: events without times cost less. Throws a DriverError.
  explicit EventPool(bool timing) : timing_(timing) {}

  CUevent take();
  void give_back(CUevent event);

 private:
  const bool timing_;
  std::mutex mutex_;
  std::vector<CUevent> free_;
};

// Maps times of events onto the host's clock, from one event whose time the host knows to the next: the
// driver gives differences alone, which are exact only while they are short.
class EventClock {
 public:
  explicit EventClock(EventPool& events) : events_(events) {}

  // Once, before any other use: an event of an idle stream, which passes at once.
  void set(CUevent reference, Clock::time_point time);

  // The time of an event that has passed; keeps it for the next call. By one thread.
  Clock::time_point advance(CUevent event);

 private:
  EventPool& events_;
  CUevent reference_ = nullptr;
  Clock::time_point time_;
};

}  // namespace transfusion::cuda
