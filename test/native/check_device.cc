// A backend whose device works later and in memory of its own (late_device.h): values, failures that the
// device finds after later calls were launched, fences, cancelled jobs, memory, profiles, leaving, tensors of
// two devices in one call.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "common_backend.h"
#include "flops.h"
#include "host.h"
#include "late_device.h"

using namespace transfusion;

namespace {

// ---- kernels of the device ----

Status fill(Context& context, Out y, f32 value) {
  LateDevice& device = LateDevice::of(context);
  if (value < 0) return fail("value = %g", static_cast<double>(value));
  device.give([&device, y, value] {
    std::fill_n(device.at<f32>(y.data, y.bytes()), y.elements(), value);
    return ok();
  });
  return ok();
}

// y = 1 / x, through scratch; the device finds zeros.
Status invert(Context& context, Out y, In x) {
  LateDevice& device = LateDevice::of(context);
  f32* scratch = context.scratch<f32>(x.elements());
  device.give([&device, y, x, scratch] {
    const f32* from = device.at<f32>(x.data, x.bytes());
    f32* values = device.at<f32>(scratch, x.bytes());
    for (i64 i = 0; i < x.elements(); ++i) values[i] = from[i] == 0 ? NAN : 1 / from[i];
    std::copy_n(values, y.elements(), device.at<f32>(y.data, y.bytes()));
    for (i64 i = 0; i < x.elements(); ++i)
      if (from[i] == 0) return fail("x[%lld] = 0", static_cast<long long>(i));
    return ok();
  });
  return ok();
}

// parameters += gradients, where these are finite.
Status update(Context& context, State parameters, In gradients) {
  LateDevice& device = LateDevice::of(context);
  device.give([&device, parameters, gradients] {
    f32* values = device.at<f32>(parameters.data, parameters.bytes());
    const f32* added = device.at<f32>(gradients.data, gradients.bytes());
    for (i64 i = 0; i < parameters.elements(); ++i)
      if (std::isfinite(added[i])) values[i] += added[i];
    return ok();
  });
  return ok();
}

Status attend(Context&, Out, In, In, In) { return ok(); }

struct LateHost : Host {
  static Backend& make_backend(const char* name) {
    static KernelTable table{};
    return *new Backend(table, std::make_unique<LateDevice>(name), size_t{1} << 20);
  }

  explicit LateHost(const char* name) : Host(make_backend(name)) {}

  LateDevice& device() { return static_cast<LateDevice&>(backend.device()); }

  void fill(Block* block, f32 value) { call<Out, f32>("fill", ::fill, tensor<Out>(block), value); }
  void invert(Block* y, Block* x) { call<Out, In>("invert", ::invert, tensor<Out>(y), tensor<In>(x)); }
  void update(Block* parameters, Block* gradients) {
    call<State, In>("update", ::update, tensor<State>(parameters), tensor<In>(gradients));
  }
};

// ---- checks ----

void check_values(LateHost& host) {
  Block *x = host.take(), *y = host.take();
  host.device().pause();
  host.write<f32>(x, {1, 2, 4, 8});
  host.invert(y, x);
  const auto inverted = host.read(y);
  host.fill(y, 3);
  const auto filled = host.read(y), fence = host.read(nullptr);
  check(!inverted->is_there() && !fence->is_there(), "a read was answered before the device had worked");
  host.device().resume();
  host.expect(inverted, {1, 0.5, 0.25, 0.125}, "values of an upload and a kernel");
  host.expect(filled, {3, 3, 3, 3}, "values after they were overwritten");
  fence->wait();
  check(fence->failure.empty() && inverted->is_there() && filled->is_there(),
        "a fence comes after all before it");
  for (Block* block : {x, y}) host.backend.give_back(block);
}

// All is launched before the device finds the fault.
void check_late_failure(LateHost& host) {
  Block *x = host.take(), *bad = host.take(), *next = host.take(), *parameters = host.take();
  host.device().pause();
  host.write<f32>(x, {1, 0, 4, 8});
  host.write<f32>(parameters, {1, 1, 1, 1});
  host.invert(bad, x);
  host.invert(next, bad);
  host.update(parameters, next);
  const auto read_bad = host.read(bad), read_next = host.read(next);
  const auto read_x = host.read(x), read_parameters = host.read(parameters);
  host.fill(bad, 2);
  host.write<f32>(next, {5, 6, 7, 8});
  const auto read_again = host.read(bad), read_written = host.read(next);
  host.device().resume();
  host.expect_failure(read_bad, "invert: x[1] = 0", "a read of what failed");
  host.expect_failure(read_next, "invert: x[1] = 0", "a read of what was made of it");
  host.expect(read_x, {1, 0, 4, 8}, "the input of what failed");
  host.expect(read_parameters, {2, 1, 5, 9}, "state is updated by what is finite, and not marked");
  host.expect(read_again, {2, 2, 2, 2}, "what a kernel overwrites holds values again");
  host.expect(read_written, {5, 6, 7, 8}, "what an upload overwrites holds values again");
  for (Block* block : {x, bad, next, parameters}) host.backend.give_back(block);
}

// The host knows as it launches: nothing that depends on it runs.
void check_early_failure(LateHost& host) {
  Block *bad = host.take(), *next = host.take(), *parameters = host.take();
  host.fill(parameters, 1);
  host.fill(bad, -1);
  host.invert(next, bad);
  host.update(parameters, next);
  host.expect_failure(host.read(next), "fill: value = -1",
                      "a read of what was made of a call that was refused");
  host.expect(host.read(parameters), {1, 1, 1, 1},
              "state is left alone by what the host knows to have failed");
  for (Block* block : {bad, next, parameters}) host.backend.give_back(block);
}

void check_cancelled_job(LateHost& host) {
  Block *x = host.take(), *y = host.take();
  host.fill(x, 2);
  host.job = std::make_shared<Job>();
  host.job->cancelled = true;
  host.fill(x, 4);
  host.job = nullptr;
  host.invert(y, x);
  host.expect_failure(host.read(y), "the work was cancelled", "a read of what was made of cancelled work");
  for (Block* block : {x, y}) host.backend.give_back(block);
}

// Memory that was given back is used again, and freed, in the order of calls.
void check_memory(LateHost& host) {
  host.device().pause();
  std::vector<std::shared_ptr<Answer>> answers;
  for (int round = 0; round < 200; ++round) {
    Block* block = host.take(4 + round);
    host.fill(block, static_cast<f32>(round));
    answers.push_back(host.read(block));
    host.backend.give_back(block);
    if (round % 20 == 0) host.backend.trim();
  }
  host.device().resume();
  for (int round = 0; round < 200; ++round)
    host.expect(answers[static_cast<size_t>(round)], std::vector<f32>(4, static_cast<f32>(round)),
                "values of memory that was used again");
  host.backend.trim();
  host.read(nullptr)->wait();
  check(host.device().live_bytes() == 0, "all memory was freed");
  check(host.backend.pool().stats().live == 0, "the pool counts no block");
}

// Work that is counted by what tensors hold: the device copies them, before later commands change them.
void check_profile(LateHost& host) {
  Block *y = host.take(), *q = host.take(), *start = host.take(), *end = host.take();
  const auto recording = host.backend.stream().record(10);
  host.device().pause();
  host.write<i32>(start, {0, 0, 0, 2});
  host.write<i32>(end, {1, 2, 3, 4});
  using Call = KernelCommand<Out, In, In, In>;
  const auto count = +[](const Out&, const In&, const In& key_start, const In& key_end) {
    return Flops{10, key_start, key_end};
  };
  host.enqueue(std::make_unique<Call>(
      "attend", attend,
      Call::Held{host.tensor<Out>(y), host.tensor<In>(q), host.tensor<In>(start), host.tensor<In>(end)},
      count));
  host.write<i32>(end, {9, 9, 9, 9});
  host.device().resume();
  host.read(y)->wait();
  host.read(nullptr)->wait();
  host.backend.stream().stop(*recording);
  double flops = 0;
  Clock::duration busy{};
  for (const auto& entry : recording->entries()) {
    flops += entry.flops;
    busy += entry.time;
  }
  check(flops == 10 * (1 + 2 + 3 + 2), "operations are those of the visible pairs");
  check(busy + recording->idle() <= recording->length(), "kernels and idleness lie within the profile");
  check(recording->spans().size() == 5, "each call is counted: three writes, a kernel, a read");
  for (Block* block : {y, q, start, end}) host.backend.give_back(block);
}

void check_mixed_devices(LateHost& host, LateHost& other) {
  Block *y = host.take(), *a = host.take(), *b = other.take();
  const KernelSignature signature{"concat", "(Out y, InList xs, OutOptional rest)"};
  const auto message = [&](Block* first, Block* second) -> std::string {
    const BoundList list{{host.tensor<In>(first), host.tensor<In>(second)}, {}};
    try {
      Backend& found = common_backend(
          signature, std::tuple<Bound<Out>, BoundList, Bound<OutOptional>>{host.tensor<Out>(y), list, {}});
      return found.device().name();
    } catch (const MixedDevices& error) {
      return error.what();
    }
  };
  check(message(a, y) == "late:0", "a call goes to the backend of its tensors");
  check(message(a, b) == "concat: xs must lie on late:0, as y does, received a tensor on late:1",
        "tensors of two devices are refused by name");
  for (Block* block : {y, a}) host.backend.give_back(block);
  other.backend.give_back(b);
}

// As an environment that ends: what is queued is dropped, what was launched is waited for.
void check_leave(LateHost& host) {
  Block *x = host.take(), *y = host.take();
  host.device().pause();
  host.fill(x, 2);
  host.invert(y, x);
  const auto before = host.read(y);
  std::thread([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    host.device().resume();
  }).detach();
  host.backend.stream().leave(*host.owner);
  check(host.backend.stream().pending() == 0, "nothing of an environment that has left is pending");
  const bool answered = before->is_there();
  host.fill(x, 3);
  check(host.backend.stream().pending() == 0, "an environment that has left enqueues nothing");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  check(before->is_there() == answered, "nothing is answered once an environment has left");
}

// What was not done when the device broke rejects, and so does what comes later; nothing hangs.
void check_broken_device() {
  static LateHost host("late:2");
  Block *x = host.take(), *y = host.take();
  host.device().pause();
  host.fill(x, 2);
  const auto before = host.read(x);
  host.device().resume();
  host.expect(before, {2, 2, 2, 2}, "values from before the device broke");
  host.device().break_down();
  const char* const why = "late:2 is broken; the first that was not done: invert f32 [4], f32 [4]";
  host.invert(y, x);
  host.expect_failure(host.read(y), std::string("invert: ") + why, "a read of what the device did not do");
  host.fill(y, 3);
  host.expect_failure(host.read(y), std::string("fill: ") + why, "a read of a later call");
  const auto fence = host.read(nullptr);
  fence->wait();
  host.device().limit_blocks(0);
  try {
    host.take(5000);
    check(false, "a broken device gives no memory");
  } catch (const DeviceEnded& error) {
    check(error.what() == std::string(why), "what a broken device says to who wants memory");
  }
  for (Block* block : {x, y}) host.backend.give_back(block);
}

// Memory that is still in use by what was enqueued is waited for before it is said that there is none.
void check_refused_memory(LateHost& host) {
  host.device().limit_blocks(1000);
  try {
    host.take(1000);
    check(false, "a block that the device does not have");
  } catch (const MemoryLimitReached& error) {
    check(error.what() == std::string("out of memory: the system refused 4000 bytes"),
          "what is said where the device has no memory");
  }
  host.device().limit_blocks(SIZE_MAX);
}

// As the process ends: what was launched is waited for, whoever it is of, and nothing is launched any more.
void check_end() {
  static LateHost host("late:3");
  Block *x = host.take(), *y = host.take();
  host.device().pause();
  host.fill(x, 2);
  host.backend.trim();
  std::thread([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    host.device().resume();
  }).detach();
  host.backend.stream().end();
  const size_t queued = host.backend.stream().pending();
  host.fill(y, 3);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  check(host.backend.stream().pending() == queued + 1, "nothing is launched once the process ends");
  host.backend.stream().leave(*host.owner);
}

}  // namespace

int main() {
  static LateHost host("late:0"), other("late:1");
  check_values(host);
  check_late_failure(host);
  check_early_failure(host);
  check_cancelled_job(host);
  check_memory(host);
  check_profile(host);
  check_mixed_devices(host, other);
  check_refused_memory(host);
  check_broken_device();
  check_leave(host);
  check_end();
  // The threads sleep for ever.
  std::fflush(stdout);
  std::_Exit(failures == 0 ? 0 : 1);
}
