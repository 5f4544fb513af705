#include "host/completion.h"

#include <thread>

namespace transfusion::cuda {

Completion::Completion(CUcontext context, bool synchronous, Health& health, FailureSlots& failures)
    : context_(context), synchronous_(synchronous), health_(health), failures_(failures) {
  // Never joined: at exit the process ends while the thread sleeps.
  std::thread([this] { run(); }).detach();
}

void Completion::add(GivenWork work) {
  if (synchronous_) return complete(std::move(work));
  {
    std::lock_guard lock(mutex_);
    given_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Completion::run() {
  health_.judge(driver().CtxSetCurrent(context_), "cuCtxSetCurrent");
  while (true) complete(next());
}

void Completion::complete(GivenWork work) {
  const Outcome outcome = finish(work);
  work.done(outcome);
}

GivenWork Completion::next() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return !given_.empty(); });
  GivenWork work = std::move(given_.front());
  given_.pop_front();
  return work;
}

Outcome Completion::finish(GivenWork& work) {
  Outcome outcome;
  outcome.status = work.status;
  if (work.end && !health_.ended()) health_.judge(driver().EventSynchronize(work.end), "cuEventSynchronize");
  if (health_.ended()) {
    // Its events and its record stay: the device may still use them.
    outcome.status = health_.status();
    outcome.device_ended = true;
    outcome.start = outcome.end = Clock::now();
    return outcome;
  }
  if (work.timed) {
    outcome.start = clock_.advance(work.start);
    outcome.end = clock_.advance(work.end);
  } else if (work.end) {
    events_.give_back(work.end);
  }
  if (work.failure.host) {
    if (work.failure.host->failed() && !outcome.status.failed)
      outcome.status = work.describe(*work.failure.host);
    failures_.give_back(work.failure);
  }
  return outcome;
}

}  // namespace transfusion::cuda
