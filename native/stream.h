// An in-order stream of commands with a thread of its own. enqueue() never waits; the queue is unbounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "command.h"

namespace transfusion {

class Stream {
 public:
  explicit Stream(Device& device);

  void enqueue(std::unique_ptr<Command> command);
  // Called as an environment ends: drops its queued commands, waits for those that were launched, and drops
  // what it enqueues later.
  void leave(Owner& owner);
  // Called as the process ends: launches nothing more, and waits for what was launched.
  void end();
  // Commands that are not complete.
  size_t pending() const;
  // Whether the device does no more work, and why: commands then fail with it.
  Status ended() const;

  // Opens a profile of what ends from now on; any number may be open.
  std::shared_ptr<Recording> record(size_t span_limit);
  // Closes it: it may be read now. A second call does nothing.
  void stop(Recording& recording);

 private:
  struct Launched {
    std::unique_ptr<Command> command;
    std::shared_ptr<Owner> owner;  // outlives the command for the comparison in leave()
    std::unique_ptr<Work> work;    // for open profiles
  };

  void work();
  // The next command, moved to the launched ones. Their addresses stay while others come and go.
  Launched& take_command();
  void launch(Launched& launched);
  // The device is done with the oldest of those that were launched.
  void complete(const Outcome& outcome);

  Device& device_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable completed_;
  std::deque<std::unique_ptr<Command>> queue_;
  std::deque<Launched> launched_;
  std::vector<std::shared_ptr<Recording>> recordings_;
  Status ended_;
  bool ending_ = false;                                         // the process is
  std::optional<Clock::time_point> idle_since_ = Clock::now();  // while there is no command
};

}  // namespace transfusion
