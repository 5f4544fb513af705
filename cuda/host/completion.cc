#include "host/completion.h"

#include <thread>
#include <utility>

namespace transfusion::cuda {

Completion::Completion(CUcontext context, bool synchronous, Health& health, FailureSlots& failures)
    : context_(context), synchronous_(synchronous), health_(health), failures_(failures) {
  // Never joined: at exit the process ends while the thread sleeps.
  std::thread([this] { run(); }).detach();
}

void Completion::close(CUevent end) {
  Batch batch{std::exchange(open_, {}), end};
  if (synchronous_) return complete(std::move(batch));
  {
    std::lock_guard lock(mutex_);
    given_.push_back(std::move(batch));
  }
  wake_.notify_one();
}

void Completion::run() {
  health_.judge(driver().CtxSetCurrent(context_), "cuCtxSetCurrent");
  while (true) complete(next());
}

Completion::Batch Completion::next() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return !given_.empty(); });
  Batch batch = std::move(given_.front());
  given_.pop_front();
  return batch;
}

void Completion::complete(Batch batch) {
  if (batch.end && !health_.ended())
    if (const CUresult result = driver().EventSynchronize(batch.end); result != CUDA_SUCCESS)
      health_.end(result);  // nothing tells any more when work is done
  // The last work has times of its own, or none has.
  if (!health_.ended() && batch.end && !batch.works.back().start) events_.give_back(batch.end);
  for (GivenWork& work : batch.works) work.done(finish(work, batch.end));
}

Outcome Completion::finish(GivenWork& work, CUevent end) {
  Outcome outcome;
  outcome.status = work.status;
  if (health_.ended()) {
    // Its events and its record stay: the device may still use them.
    outcome.status = health_.status();
    outcome.device_ended = true;
    outcome.start = outcome.end = Clock::now();
    return outcome;
  }
  if (work.start) {
    outcome.start = clock_.advance(work.start);
    outcome.end = clock_.advance(end);
  }
  if (work.failure.host) {
    if (work.failure.host->failed() && !outcome.status.failed)
      outcome.status = work.describe(*work.failure.host);
    failures_.give_back(work.failure);
  }
  return outcome;
}

}  // namespace transfusion::cuda
