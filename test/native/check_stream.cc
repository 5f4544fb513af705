// Environments as threads that share one stream and pool, as worker_threads do: they enqueue kernel calls of
// a stub kernel, cancel jobs, give memory back while it is in use, trim, open and close profiles, and leave
// with work queued. Every value that is read must be the one written last in its environment's order. Meant
// for ThreadSanitizer, and right without it.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "backend.h"
#include "host_device.h"
#include "kernel_command.h"

using namespace transfusion;

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 3000;

std::atomic<int> wrong{0};
std::atomic<int> ran{0};

Status fill(Context& context, Out y, f32 value) {
  // Scratch belongs to the running command alone.
  f32* scratch = context.scratch<f32>(y.shape[0]);
  for (i64 i = 0; i < y.shape[0]; ++i) scratch[i] = value;
  for (i64 i = 0; i < y.shape[0]; ++i) static_cast<f32*>(y.data)[i] = scratch[i];
  if (value < 0) return transfusion::fail("value = %g", static_cast<double>(value));
  return ok();
}

Status expect(Context&, In x, f32 value) {
  ++ran;
  for (i64 i = 0; i < x.shape[0]; ++i) wrong += static_cast<const f32*>(x.data)[i] != value;
  return ok();
}

template <class Kind>
Bound<Kind> bind(Block* block, i64 size) {
  Bound<Kind> bound;
  bound.block = block;
  bound.view.rank = 1;
  bound.view.shape[0] = size;
  return bound;
}

// A closed profile: kernels and idleness lie within its time, and calls are those of its entries.
void check(const Recording& recording) {
  u64 calls = 0;
  Clock::duration busy{};
  for (const auto& entry : recording.entries()) {
    calls += entry.calls;
    busy += entry.time;
  }
  wrong += busy + recording.idle() > recording.length();
  wrong += calls != recording.spans().size() + recording.spans_left_out();
}

void environment(Backend& backend, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](u64 limit) { return static_cast<i64>(random() % limit); };
  const auto owner = std::make_shared<Owner>();
  const auto enqueue = [&](std::unique_ptr<Command> command, const std::shared_ptr<Job>& job) {
    command->owner = owner;
    command->job = job;
    backend.enqueue(std::move(command));
  };
  std::shared_ptr<Recording> recording;
  for (int round = 0; round < kRounds; ++round) {
    if (below(50) == 0) {
      if (recording) {
        backend.stream().stop(*recording);
        check(*recording);
      }
      recording = below(2) == 0 ? backend.stream().record(static_cast<size_t>(below(100))) : nullptr;
    }
    const i64 size = 1 + below(5000);
    Block* block;
    try {
      block = backend.take(static_cast<size_t>(size) * sizeof(f32));
    } catch (const MemoryLimitReached&) {
      backend.trim();
      continue;
    }
    const auto job = below(4) == 0 ? std::make_shared<Job>() : nullptr;
    // A negative value fails: its mark keeps the second call from running.
    const f32 value = static_cast<f32>(below(20) - 2);
    using Fill = KernelCommand<Out, f32>;
    using Expect = KernelCommand<In, f32>;
    enqueue(std::make_unique<Fill>("fill", fill, Fill::Held{bind<Out>(block, size), value}), job);
    enqueue(std::make_unique<Expect>("expect", expect, Expect::Held{bind<In>(block, size), value}), job);
    if (job && below(2) == 0) job->cancelled = true;
    backend.give_back(block);
    if (below(50) == 0) backend.trim();
    if (below(50) == 0) backend.pool().set_limit(static_cast<size_t>(1 + below(4)) << 20);
    if (below(20) == 0 && backend.pool().stats().peak == 0) ++wrong;
  }
  if (recording) backend.stream().stop(*recording);
  backend.stream().leave(*owner);
}

}  // namespace

int main() {
  static KernelTable table{};
  static Backend& backend = *new Backend(table, std::make_unique<HostDevice>(), size_t{4} << 20);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(environment, std::ref(backend), i + 1);
  for (auto& thread : threads) thread.join();
  backend.trim();
  while (backend.stream().pending() > 0) std::this_thread::yield();
  if (wrong > 0) std::printf("%d values were not those written\n", wrong.load());
  if (ran == 0) std::printf("no call ran\n");
  // The stream's thread sleeps for ever.
  std::fflush(stdout);
  std::_Exit(wrong == 0 && ran > 0 ? 0 : 1);
}
