// What one JavaScript environment (the main thread or a worker) owns: tensor handles, jobs and open promises.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend.h"
#include "kernel_command.h"

namespace transfusion {

// A handle is a number: index + generation * 2^24, so that a stale one is recognised. Generations begin at
// copy * 2^24 + 1, so that a handle of another copy of this addon is recognised too.
struct Slot {
  Block* block = nullptr;  // null: free
  size_t offset = 0;       // bytes
  TensorView view;
  i64 generation = 0;
};

class Environment {
 public:
  // Makes the one of `env`, where `of` finds it.
  static void open(Napi::Env env);

  static Environment& of(const Napi::CallbackInfo& info) {
    return *info.Env().GetInstanceData<Environment>();
  }

  double create(Block* block, size_t offset, const TensorView& view);
  // Throws a JavaScript error when the handle is not one of a live tensor.
  Slot& at(Napi::Env env, double handle);
  // Nothing happens when the handle is stale.
  void release(double handle);
  // Tensors on this device that were not released.
  i64 live_handles(const Backend& backend) const;

  double create_job();
  void set_job(double id);
  void cancel_job(double id);
  void release_job(double id) { jobs_.erase(id); }

  // Of the commands that are enqueued from now on; null: none.
  void set_products(std::shared_ptr<ProductChoices> products) { current_products_ = std::move(products); }

  void enqueue(Backend& backend, std::unique_ptr<Command> command);

  // A promise that the stream settles through a Settlement.
  class Settlement {
   public:
    HostBuffer bytes;  // resolves with an ArrayBuffer of them; without memory: with undefined
    Mark failure;      // rejects

   private:
    friend class Environment;
    void settle(Napi::Env env);

    napi_deferred deferred_ = nullptr;
  };
  Napi::Promise open_promise(Napi::Env env, std::unique_ptr<Settlement>& settlement);
  // How a stream's thread, or a device's, hands a settlement back; safe after the environment has ended.
  class Mailbox {
   public:
    void post(std::unique_ptr<Settlement> settlement);

   private:
    friend class Environment;
    std::mutex mutex_;
    napi_threadsafe_function function_ = nullptr;  // null: closed
  };
  std::shared_ptr<Mailbox> mailbox() const { return mailbox_; }

 private:
  explicit Environment(Napi::Env env) : env_(env) {}
  // The slot of a live tensor, or null.
  Slot* find(double handle);
  static void settle(napi_env env, napi_value callback, void* context, void* data);
  void close();

  napi_env env_;
  // Among the copies of this addon that the thread has loaded.
  i64 copy_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>();
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  i64 open_promises_ = 0;

  std::vector<Slot> slots_;
  std::vector<i64> free_slots_;
  // V8 hears of native memory as promises settle: what lives then has an owner, or only the collector can
  // free it. What a step takes and gives back in between would make it collect everything, step after step.
  i64 live_bytes_ = 0;
  i64 reported_bytes_ = 0;
  void report_memory();

  std::unordered_map<double, std::shared_ptr<Job>> jobs_;
  std::shared_ptr<Job> current_job_;
  std::shared_ptr<ProductChoices> current_products_;
  double next_job_ = 1;
};

}  // namespace transfusion
