#include "stream.h"

#include <algorithm>
#include <thread>

namespace transfusion {
namespace {

// Of an error that comes after the command that made it: that is `first`, which is not known to be done, or
// one after it.
Status blame(const Status& status, Command& first) {
  Work work;
  first.describe(work, nullptr);
  if (!work.name) return status;
  return fail("%s; the first that was not done: %s", status.message, work.text().c_str());
}

}  // namespace

Stream::Stream(Device& device) : device_(device) {
  // Never joined: at exit the process ends while the thread sleeps.
  std::thread([this] { work(); }).detach();
}

void Stream::enqueue(std::unique_ptr<Command> command) {
  {
    std::lock_guard lock(mutex_);
    if (command->owner && command->owner->closed) return;
    queue_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void Stream::leave(Owner& owner) {
  std::deque<std::unique_ptr<Command>> dropped;
  std::unique_lock lock(mutex_);
  owner.closed = true;
  std::deque<std::unique_ptr<Command>> kept;
  for (auto& command : queue_)
    (command->owner.get() == &owner ? dropped : kept).push_back(std::move(command));
  queue_.swap(kept);
  const auto is_owners = [&](const Launched& launched) { return launched.owner.get() == &owner; };
  completed_.wait(lock, [&] { return std::none_of(launched_.begin(), launched_.end(), is_owners); });
}

void Stream::end() {
  std::unique_lock lock(mutex_);
  ending_ = true;
  completed_.wait(lock, [&] { return launched_.empty(); });
}

size_t Stream::pending() const {
  std::lock_guard lock(mutex_);
  return queue_.size() + launched_.size();
}

Status Stream::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

std::shared_ptr<Recording> Stream::record(size_t span_limit) {
  auto recording = std::make_shared<Recording>(span_limit);
  std::lock_guard lock(mutex_);
  recordings_.push_back(recording);
  return recording;
}

void Stream::stop(Recording& recording) {
  std::lock_guard lock(mutex_);
  const auto open = [&](const auto& other) { return other.get() == &recording; };
  const auto found = std::find_if(recordings_.begin(), recordings_.end(), open);
  if (found == recordings_.end()) return;
  recordings_.erase(found);
  const auto now = Clock::now();
  if (idle_since_) recording.add_idle(*idle_since_, now);
  recording.stop(now);
}

void Stream::work() {
  while (true) launch(take_command());
}

Stream::Launched& Stream::take_command() {
  std::unique_lock lock(mutex_);
  if (queue_.empty() || ending_) {
    lock.unlock();
    device_.flush();
    lock.lock();
  }
  wake_.wait(lock, [&] { return !queue_.empty() && !ending_; });
  if (idle_since_)
    for (const auto& recording : recordings_) recording->add_idle(*idle_since_, Clock::now());
  idle_since_.reset();
  Launched& launched = launched_.emplace_back();
  launched.command = std::move(queue_.front());
  launched.owner = launched.command->owner;
  if (!recordings_.empty()) launched.work = std::make_unique<Work>();
  queue_.pop_front();
  return launched;
}

void Stream::launch(Launched& launched) {
  Command& command = *launched.command;
  if (command.job && command.job->cancelled) {
    launched.work.reset();
    command.cancel();
  } else if (!ended().failed) {
    if (launched.work) {
      command.describe(*launched.work, &device_);
      device_.start_timing();
    }
    command.launch(device_);
  }
  device_.end([this](const Outcome& outcome) { complete(outcome); }, command.is_awaited());
}

void Stream::complete(const Outcome& outcome) {
  std::unique_lock lock(mutex_);
  Launched& launched = launched_.front();
  if (outcome.device_ended && !ended_.failed) ended_ = blame(outcome.status, *launched.command);
  const Status status = ended_.failed ? ended_ : outcome.status;
  lock.unlock();
  launched.command->complete(status);
  launched.command.reset();
  lock.lock();
  if (launched.work && launched.work->name && !ended_.failed)
    for (const auto& recording : recordings_) recording->add(*launched.work, outcome.start, outcome.end);
  launched_.pop_front();
  if (queue_.empty() && launched_.empty()) idle_since_ = Clock::now();
  completed_.notify_all();
}

}  // namespace transfusion
