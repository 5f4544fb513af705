#include "stream.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <thread>

namespace transfusion {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstChunk = size_t{1} << 20;

void* allocate_from(void* arena, size_t bytes) { return static_cast<Arena*>(arena)->allocate(bytes); }

}  // namespace

void Arena::Free::operator()(void* data) const { std::free(data); }

void* Arena::allocate(size_t bytes) {
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (chunks_.empty() || used_ + bytes > capacity_) {
    const size_t capacity = std::max({kFirstChunk, 2 * capacity_, bytes});
    void* data = std::aligned_alloc(kAlignment, capacity);
    if (!data) throw std::bad_alloc();
    chunks_.emplace_back(data);
    capacity_ = capacity;
    used_ = 0;
  }
  void* result = static_cast<char*>(chunks_.back().get()) + used_;
  used_ += bytes;
  return result;
}

void Arena::reset() {
  if (chunks_.size() > 1) chunks_.erase(chunks_.begin(), chunks_.end() - 1);
  used_ = 0;
}

Stream::Stream() {
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
  idle_.wait(lock, [&] { return running_ != &owner; });
}

size_t Stream::pending() const {
  std::lock_guard lock(mutex_);
  return queue_.size() + (running_ ? 1 : 0);
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

void Stream::wait_for_command(std::unique_lock<std::mutex>& lock) {
  if (!queue_.empty()) return;
  idle_since_ = Clock::now();
  wake_.wait(lock, [&] { return !queue_.empty(); });
  for (const auto& recording : recordings_) recording->add_idle(*idle_since_, Clock::now());
  idle_since_.reset();
}

void Stream::work() {
  Context context;
  context.arena = &arena_;
  context.allocate = allocate_from;
  Work work;
  std::unique_lock lock(mutex_);
  while (true) {
    wait_for_command(lock);
    std::unique_ptr<Command> command = std::move(queue_.front());
    queue_.pop_front();
    running_ = command->owner.get();
    const bool cancelled = command->job && command->job->cancelled;
    const bool recorded = !recordings_.empty() && !cancelled;
    lock.unlock();

    Clock::time_point start, end;
    if (recorded) {
      work.clear();
      command->describe(work);
      start = Clock::now();
    }
    if (cancelled)
      command->cancel();
    else
      command->run(context);
    if (recorded) end = Clock::now();
    arena_.reset();

    const std::shared_ptr<Owner> owner = command->owner;  // outlives the comparison in leave()
    command.reset();
    lock.lock();
    if (recorded && work.name)
      for (const auto& recording : recordings_) recording->add(work, start, end);
    running_ = nullptr;
    idle_.notify_all();
  }
}

}  // namespace transfusion
