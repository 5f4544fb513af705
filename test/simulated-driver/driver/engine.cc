// A device's thread: it does the work of all streams, in order within each, in random order over them, and
// some time after it was given.
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "driver/state.h"
#include "machine/fault.h"

namespace simulated {
namespace {

using std::chrono::microseconds;

constexpr unsigned kStartDelay = 60;  // microseconds at most before a stream that was idle starts
constexpr unsigned kHold = 300;       // for which a stream may stand still while others have work
constexpr unsigned kHoldOneIn = 8;

CUresult code_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::out_of_bounds:
    case FaultKind::use_after_free:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case FaultKind::misaligned:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case FaultKind::trap:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    default:
      return CUDA_ERROR_LAUNCH_FAILED;
  }
}

}  // namespace

void Device::give(Stream& stream, Operation operation) {
  if (!started) {
    started = true;
    std::thread([this] { work(); }).detach();
  }
  if (stream.idle()) stream.held_until = Time::now() + microseconds(random() % kStartDelay);
  operation.serial = driver().next_serial++;
  stream.queue.push_back(std::move(operation));
  ++stream.given;
  given.notify_one();
}

// Work of the legacy stream and of blocking streams is ordered by when it was given.
static bool ordered_after(const Stream& stream, const Context& context) {
  if (!stream.blocking()) return false;
  const uint64_t serial = stream.queue.front().serial;
  const auto waits_for = [&](const Stream& other) {
    return !other.idle() && other.queue.front().serial < serial;
  };
  if (&stream != context.legacy.get()) return waits_for(*context.legacy);
  return std::any_of(context.streams.begin(), context.streams.end(),
                     [&](const auto& other) { return other->blocking() && waits_for(*other); });
}

std::shared_ptr<Stream> Device::choose(Time::time_point now, Time::time_point& wake) {
  std::vector<std::shared_ptr<Stream>> ready;
  const auto consider = [&](const std::shared_ptr<Stream>& stream) {
    if (!stream || stream->idle() || ordered_after(*stream, context)) return;
    const Operation& next = stream->queue.front();
    if (next.ready && !next.ready()) return;
    if (stream->held_until > now)
      wake = std::min(wake, stream->held_until);
    else
      ready.push_back(stream);
  };
  consider(context.legacy);
  for (const auto& stream : context.streams) consider(stream);
  return ready.empty() ? nullptr : ready[random() % ready.size()];
}

void Device::run(Stream& stream, Lock& lock) {
  // A deque's elements stay where they are while others are added.
  Operation& operation = stream.queue.front();
  if (operation.run) {
    running = true;
    lock.unlock();
    CUresult code = CUDA_SUCCESS;
    std::string what;
    try {
      operation.run();
    } catch (const Fault& fault) {
      code = code_of(fault.kind);
      what = fault.what();
    } catch (const std::exception& error) {
      code = CUDA_ERROR_UNKNOWN;
      what = error.what();
    }
    lock.lock();
    running = false;
    if (code) return fail(operation.call, code, what);
  }
  if (operation.completed) operation.completed();
  stream.queue.pop_front();
  ++stream.done;
  if (random() % kHoldOneIn == 0) stream.held_until = Time::now() + microseconds(random() % kHold);
}

void Device::fail(const char* call, CUresult code, const std::string& what) {
  report(call, code, what);
  context.error = code;
  // Nothing more is done in this context.
  const auto clear = [](Stream& stream) {
    stream.queue.clear();
    stream.done = stream.given;
  };
  clear(*context.legacy);
  for (const auto& stream : context.streams) clear(*stream);
}

void Device::work() {
  Driver& all = driver();
  Lock lock(all.mutex);
  while (!all.ending) {
    const auto now = Time::now();
    auto wake = Time::time_point::max();
    const auto stream = choose(now, wake);
    if (stream) {
      run(*stream, lock);
      // Destroyed, and now without work.
      std::erase_if(context.streams, [&](const auto& other) {
        return other->idle() && !all.handles.contains(static_cast<Handle*>(other.get()));
      });
      // Others may wait for an event that was recorded here.
      all.done.notify_all();
      for (const auto& device : all.devices)
        if (device.get() != this) device->given.notify_one();
    } else if (wake != Time::time_point::max()) {
      given.wait_until(lock, wake);
    } else {
      given.wait(lock);
    }
  }
  all.done.notify_all();
}

}  // namespace simulated
