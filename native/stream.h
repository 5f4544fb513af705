// An in-order stream of commands with a thread of its own. enqueue() never waits; the queue is unbounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "command.h"

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

class Stream {
 public:
  Stream();

  void enqueue(std::unique_ptr<Command> command);
  // Called as an environment ends: drops its queued commands, waits for the one that is running, if any, and
  // drops what it enqueues later.
  void leave(Owner& owner);
  size_t pending() const;

  // Opens a profile of what ends from now on; any number may be open.
  std::shared_ptr<Recording> record(size_t span_limit);
  // Closes it: it may be read now. A second call does nothing.
  void stop(Recording& recording);

 private:
  void work();
  void wait_for_command(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::unique_ptr<Command>> queue_;
  Owner* running_ = nullptr;
  std::vector<std::shared_ptr<Recording>> recordings_;
  std::optional<Clock::time_point> idle_since_;  // while the queue is empty and nothing runs
  Arena arena_;
};

}  // namespace transfusion
