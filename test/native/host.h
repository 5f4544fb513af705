// What JavaScript would do, for check programs: one environment on one backend.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backend.h"
#include "copy_commands.h"

namespace transfusion {

inline std::atomic<int> failures = 0;

inline void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("%s\n", what);
  ++failures;
}

// What a read will have brought.
struct Answer {
  std::mutex mutex;
  std::condition_variable given;
  bool there = false;
  std::vector<f32> values;
  std::string failure;

  void wait() {
    std::unique_lock lock(mutex);
    given.wait(lock, [&] { return there; });
  }
  bool is_there() {
    std::lock_guard lock(mutex);
    return there;
  }
};

class AnsweredRead final : public Read {
 public:
  AnsweredRead(Bound<In> source, std::shared_ptr<Answer> answer) : Read(source), answer_(std::move(answer)) {}

 private:
  void receive(HostBuffer bytes, Mark failure) override {
    std::lock_guard lock(answer_->mutex);
    const auto* values = static_cast<const f32*>(bytes.data.get());
    if (failure)
      answer_->failure = failure->message;
    else
      answer_->values.assign(values, values + bytes.bytes / sizeof(f32));
    answer_->there = true;
    answer_->given.notify_all();
  }
  std::shared_ptr<Answer> answer_;
};

struct Host {
  explicit Host(Backend& backend) : backend(backend) {}

  template <class Kind>
  static Bound<Kind> tensor(Block* block, i64 elements = 4) {
    Bound<Kind> bound;
    bound.block = block;
    bound.view.rank = 1;
    bound.view.shape[0] = elements;
    return bound;
  }
  Block* take(i64 elements = 4) { return backend.take(static_cast<size_t>(elements) * sizeof(f32)); }

  void enqueue(std::unique_ptr<Command> command) {
    command->owner = owner;
    command->job = job;
    backend.enqueue(std::move(command));
  }
  template <class... Arguments>
  void call(const char* name, Status (*kernel)(Context&, Arguments...),
            typename Stored<Arguments>::type... held) {
    using Call = KernelCommand<Arguments...>;
    enqueue(std::make_unique<Call>(name, kernel, typename Call::Held{std::move(held)...}));
  }
  template <class T>
  void write(Block* block, const std::vector<T>& values) {
    const HostBuffer staging = backend.device().allocate_host(values.size() * sizeof(T));
    std::memcpy(staging.data.get(), values.data(), staging.bytes);
    enqueue(std::make_unique<Upload>(tensor<Out>(block, static_cast<i64>(values.size())), staging));
  }
  // Without a block: a fence.
  std::shared_ptr<Answer> read(Block* block, i64 elements = 4) {
    auto answer = std::make_shared<Answer>();
    enqueue(std::make_unique<AnsweredRead>(block ? tensor<In>(block, elements) : Bound<In>{}, answer));
    return answer;
  }
  static void expect(const std::shared_ptr<Answer>& answer, const std::vector<f32>& values,
                     const char* what) {
    answer->wait();
    if (!answer->failure.empty()) std::printf("received \"%s\"\n", answer->failure.c_str());
    check(answer->failure.empty() && answer->values == values, what);
  }
  static void expect_failure(const std::shared_ptr<Answer>& answer, const std::string& message,
                             const char* what) {
    answer->wait();
    if (answer->failure != message) std::printf("received \"%s\"\n", answer->failure.c_str());
    check(answer->failure == message, what);
  }

  Backend& backend;
  std::shared_ptr<Owner> owner = std::make_shared<Owner>();
  std::shared_ptr<Job> job;
};

}  // namespace transfusion
