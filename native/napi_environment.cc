#include "napi_environment.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "devices.h"

namespace transfusion {
namespace {

constexpr i64 kIndexRange = i64{1} << 24;
constexpr i64 kGenerationRange = i64{1} << 24;
constexpr i64 kCopyRange = 32;  // a handle is exact as a double: below 2^53
static_assert(kIndexRange * kGenerationRange * kCopyRange == i64{1} << 53);
// V8 hears of native memory in steps: each call may start a collection.
constexpr i64 kReportStep = i64{16} << 20;

bool is_handle(double number) { return number >= static_cast<double>(kIndexRange) && number < 0x1p53; }

// The number of copies loaded before. Copies know of one another only by what they leave at `process`.
i64 count_copy(Napi::Env env, Napi::Object process) {
  const Napi::Symbol key = Napi::Symbol::For(env, "transfusion-js.copies");
  const Napi::Value found = process.Get(key);
  const i64 before = found.IsNumber() ? found.As<Napi::Number>().Int64Value() : 0;
  process.Set(key, Napi::Number::New(env, static_cast<double>(before + 1)));
  return before % kCopyRange;
}

// Whether this thread is the one whose end is the process's.
bool is_main_thread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return false;
#endif
}

// exit() runs no cleanup hooks of Node's, and destroys what libraries keep, also what they made after any
// atexit() of ours, while a kernel runs or a stream calls a driver. Before all of that it destroys the
// thread_local objects of its thread.
struct LastWords {
  std::vector<std::shared_ptr<Owner>> owners;

  ~LastWords() {
    for (const auto& owner : owners) leave_devices(*owner);
    if (is_main_thread()) end_devices();
  }
};
thread_local LastWords last_words;

}  // namespace

void Environment::open(Napi::Env env) {
  auto& self = *new Environment(env);
  // From here on the environment is its owner, whatever throws: a worker may be terminated at any of these
  // calls.
  env.SetInstanceData(&self);
  const auto process = env.Global().Get("process").As<Napi::Object>();
  self.copy_ = count_copy(env, process);
  napi_value name;
  napi_create_string_utf8(env, "transfusion", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, &self, settle,
                                  &self.mailbox_->function_);
  // Only an open promise keeps the process alive.
  napi_unref_threadsafe_function(env, self.mailbox_->function_);
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->close(); }, &self);
  last_words.owners.push_back(self.owner_);
}

void Environment::close() {
  leave_devices(*owner_);
  {
    std::lock_guard lock(mailbox_->mutex_);
    mailbox_->function_ = nullptr;
  }
  for (Slot& slot : slots_)
    if (slot.block && --slot.block->references == 0) slot.block->backend->give_back(slot.block);
  slots_.clear();
}

double Environment::create(Block* block, size_t offset, const TensorView& view) {
  i64 index;
  if (free_slots_.empty()) {
    index = static_cast<i64>(slots_.size());
    slots_.emplace_back().generation = copy_ * kGenerationRange + 1;
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[static_cast<size_t>(index)];
  slot.block = block;
  slot.offset = offset;
  slot.view = view;
  if (block->references++ == 0) live_bytes_ += static_cast<i64>(block->bytes);
  return static_cast<double>(slot.generation * kIndexRange + index);
}

Slot* Environment::find(double handle) {
  if (!is_handle(handle)) return nullptr;
  const i64 number = static_cast<i64>(handle);
  const auto index = static_cast<size_t>(number % kIndexRange);
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  return slot.block && slot.generation == number / kIndexRange ? &slot : nullptr;
}

Slot& Environment::at(Napi::Env env, double handle) {
  if (Slot* slot = find(handle)) return *slot;
  if (is_handle(handle) && static_cast<i64>(handle) / (kIndexRange * kGenerationRange) != copy_)
    throw Napi::Error::New(env, "a tensor of another copy of transfusion-js was used");
  throw Napi::Error::New(env, "a tensor was used after it was freed");
}

void Environment::release(double handle) {
  Slot* found = find(handle);
  if (!found) return;
  Slot& slot = *found;
  if (--slot.block->references == 0) {
    live_bytes_ -= static_cast<i64>(slot.block->bytes);
    slot.block->backend->give_back(slot.block);
  }
  slot.block = nullptr;
  // A slot whose generations are used up is left behind.
  if (++slot.generation % kGenerationRange != 0) free_slots_.push_back(found - slots_.data());
}

i64 Environment::live_handles(const Backend& backend) const {
  return std::count_if(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return slot.block && slot.block->backend == &backend; });
}

void Environment::report_memory() {
  if (std::abs(live_bytes_ - reported_bytes_) < kReportStep) return;
  int64_t total;
  napi_adjust_external_memory(env_, live_bytes_ - reported_bytes_, &total);
  reported_bytes_ = live_bytes_;
}

double Environment::create_job() {
  jobs_.emplace(next_job_, std::make_shared<Job>());
  return next_job_++;
}

void Environment::set_job(double id) {
  const auto found = jobs_.find(id);
  current_job_ = found == jobs_.end() ? nullptr : found->second;
}

void Environment::cancel_job(double id) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end()) found->second->cancelled = true;
}

void Environment::enqueue(Backend& backend, std::unique_ptr<Command> command) {
  command->job = current_job_;
  command->products = current_products_;
  command->owner = owner_;
  backend.enqueue(std::move(command));
}

Napi::Promise Environment::open_promise(Napi::Env env, std::unique_ptr<Settlement>& settlement) {
  settlement = std::make_unique<Settlement>();
  napi_value promise;
  if (napi_create_promise(env, &settlement->deferred_, &promise) != napi_ok) throw Napi::Error::New(env);
  if (open_promises_++ == 0) napi_ref_threadsafe_function(env, mailbox_->function_);
  return Napi::Promise(env, promise);
}

void Environment::Mailbox::post(std::unique_ptr<Settlement> settlement) {
  std::lock_guard lock(mutex_);
  if (function_) napi_call_threadsafe_function(function_, settlement.release(), napi_tsfn_nonblocking);
}

void Environment::Settlement::settle(Napi::Env env) {
  if (failure) {
    napi_reject_deferred(env, deferred_, Napi::Error::New(env, failure->message).Value());
  } else if (bytes.data && bytes.bytes == 0) {
    // V8 takes an external buffer without memory for a detached one.
    napi_resolve_deferred(env, deferred_, Napi::ArrayBuffer::New(env, 0));
  } else if (bytes.data) {
    // The ArrayBuffer takes the bytes over without a copy.
    auto kept = std::make_unique<HostBuffer>(std::move(bytes));
    const auto buffer = Napi::ArrayBuffer::New(
        env, kept->data.get(), kept->bytes, [](Napi::Env, void*, HostBuffer* bytes) { delete bytes; },
        kept.get());
    kept.release();
    napi_resolve_deferred(env, deferred_, buffer);
  } else {
    napi_resolve_deferred(env, deferred_, env.Undefined());
  }
}

void Environment::settle(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Settlement> settlement(static_cast<Settlement*>(data));
  auto& self = *static_cast<Environment*>(context);
  if (!env) return;  // the environment is ending
  if (--self.open_promises_ == 0) napi_unref_threadsafe_function(env, self.mailbox_->function_);
  self.report_memory();
  try {
    settlement->settle(env);
  } catch (const Napi::Error&) {
    // The worker is being terminated, which ends every call: no one waits any more.
  }
}

}  // namespace transfusion
