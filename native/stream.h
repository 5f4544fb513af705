// An in-order stream of commands with a thread of its own. enqueue() never waits; the queue is unbounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

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

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::unique_ptr<Command>> queue_;
  Owner* running_ = nullptr;
  Arena arena_;
};

}  // namespace transfusion
