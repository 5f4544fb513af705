// A device for tests: its memory is its own, at addresses that the host cannot read, and it does its work
// later, on a thread of its own.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "device.h"

namespace transfusion {

class LateDevice final : public Device {
 public:
  explicit LateDevice(std::string name) : name_(std::move(name)) {
    context_.device_stream = this;
    context_.arena = this;
    context_.allocate = [](void* device, size_t bytes) {
      return static_cast<LateDevice*>(device)->allocate_scratch(bytes);
    };
    // Never joined, as streams.
    std::thread([this] { work(); }).detach();
  }

  // While it is paused, it does none of what it was given.
  void pause() {
    std::lock_guard lock(mutex_);
    paused_ = true;
  }
  void resume() {
    std::lock_guard lock(mutex_);
    paused_ = false;
    wake_.notify_one();
  }
  // In the order of work, the device breaks: it does none of what comes later.
  void break_down() {
    give([this] {
      broken_ = true;
      return ok();
    });
  }
  // It has no larger blocks.
  void limit_blocks(size_t bytes) {
    std::lock_guard lock(mutex_);
    most_bytes_ = bytes;
  }
  // Bytes allocated and not freed.
  size_t live_bytes() {
    std::lock_guard lock(mutex_);
    size_t bytes = 0;
    for (const auto& [address, memory] : memory_) bytes += memory.size();
    return bytes;
  }

  // For kernels: what is done later may read device memory, and may return what it found wrong.
  static LateDevice& of(Context& context) { return *static_cast<LateDevice*>(context.device_stream); }
  void give(std::function<Status()> task) {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }
  // Where `bytes` of device memory lie; for its own thread.
  template <class T>
  T* at(const void* address, size_t bytes) {
    std::lock_guard lock(mutex_);
    const auto after = memory_.upper_bound(reinterpret_cast<uintptr_t>(address));
    if (after == memory_.begin()) std::abort();
    auto& [begin, memory] = *std::prev(after);
    const size_t offset = reinterpret_cast<uintptr_t>(address) - begin;
    if (offset + bytes > memory.size()) std::abort();  // outside of what was allocated, or freed
    return reinterpret_cast<T*>(memory.data() + offset);
  }

  std::string name() const override { return name_; }
  std::vector<DeviceProperty> properties() const override { return {}; }

  void* allocate(size_t bytes) override {
    std::lock_guard lock(mutex_);
    if (bytes > most_bytes_) return nullptr;
    const uintptr_t address = next_address_;
    next_address_ += (bytes + 255) / 256 * 256;
    memory_[address].resize(bytes);
    return reinterpret_cast<void*>(address);
  }
  HostBuffer allocate_host(size_t bytes) override {
    return {std::shared_ptr<void>(std::malloc(bytes + 1), std::free), bytes};
  }
  void free(void* data, size_t) override {
    give([this, data] {
      std::lock_guard lock(mutex_);
      memory_.erase(reinterpret_cast<uintptr_t>(data));
      return ok();
    });
  }
  void upload(void* target, const HostBuffer& source) override {
    give([this, target, source] {
      std::memcpy(at<char>(target, source.bytes), source.data.get(), source.bytes);
      return ok();
    });
  }
  void read(const HostBuffer& target, const void* source) override {
    give([this, target, source] {
      std::memcpy(target.data.get(), at<char>(source, target.bytes), target.bytes);
      return ok();
    });
  }
  Context& context() override { return context_; }
  void start_timing() override {
    give([this] {
      outcome_.start = Clock::now();
      return ok();
    });
  }
  // Says that a command is done no sooner than it must.
  void end(Done done, bool awaited) override {
    for (void* scratch : scratch_) free(scratch, 0);
    scratch_.clear();
    give([this, done = std::move(done)] {
      outcome_.end = Clock::now();
      outcome_.device_ended = broken_;
      if (broken_) outcome_.status = fail("%s is broken", name_.c_str());
      done_.emplace_back(std::move(done), std::exchange(outcome_, {}));
      return ok();
    });
    if (awaited) flush();
  }
  void flush() override {
    give([this] {
      for (const auto& [done, outcome] : std::exchange(done_, {})) done(outcome);
      return ok();
    });
  }

 private:
  void* allocate_scratch(size_t bytes) {
    scratch_.push_back(allocate(bytes));
    return scratch_.back();
  }

  void work() {
    std::mt19937 random(1);
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return !paused_ && !tasks_.empty(); });
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 50));
      const Status status = task();
      if (status.failed && !outcome_.status.failed) outcome_.status = status;
      lock.lock();
    }
  }

  std::string name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<Status()>> tasks_;
  bool paused_ = false;
  size_t most_bytes_ = SIZE_MAX;
  // No address of a program has these bits.
  uintptr_t next_address_ = uintptr_t{0xfa} << 56;
  std::map<uintptr_t, std::vector<char>> memory_;
  bool broken_ = false;
  // Touched by its own thread.
  Outcome outcome_;                             // of the command that is being done
  std::vector<std::pair<Done, Outcome>> done_;  // of those that are done, and have not said so
  std::vector<void*> scratch_;
  Context context_;
};

}  // namespace transfusion
