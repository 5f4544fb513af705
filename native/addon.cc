// The addon's exports: one function per kernel of the contract, tensors, jobs, memory and the stream.
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "cpu/runtime.h"
#include "flops.h"
#include "napi_convert.h"
#include "napi_environment.h"
#include "napi_file_lock.h"
#include "napi_profile.h"

namespace transfusion {
namespace {

// ---- kernels ----

template <auto KernelTable::*Member, class... Arguments, size_t... I>
void enqueue_kernel(const Napi::CallbackInfo& info, Backend& backend, const char* name,
                    Status (*kernel)(Context&, Arguments...), std::index_sequence<I...>) {
  Environment& environment = Environment::of(info);
  using Call = KernelCommand<Arguments...>;
  typename Call::Held held{
      Convert<Arguments>::from(environment, info[I], Place{name, static_cast<int>(I) + 1})...};
  environment.enqueue(backend, std::make_unique<Call>(name, kernel, std::move(held), flops_of<Member>));
}

template <auto KernelTable::*Member, class... Arguments>
void enqueue_kernel(const Napi::CallbackInfo& info, Backend& backend, const char* name,
                    Status (*kernel)(Context&, Arguments...)) {
  if (!kernel) throw Napi::Error::New(info.Env(), std::string(name) + ": this build lacks the kernel");
  enqueue_kernel<Member>(info, backend, name, kernel, std::index_sequence_for<Arguments...>());
}

template <auto KernelTable::*Member>
void call_kernel(const Napi::CallbackInfo& info) {
  Backend& backend = cpu_backend();
  enqueue_kernel<Member>(info, backend, static_cast<const char*>(info.Data()), backend.kernels.*Member);
}

// ---- tensors ----

TensorView view_from(const Napi::CallbackInfo& info, size_t dtype_index, size_t shape_index) {
  TensorView view;
  const Napi::Value code = info[dtype_index];
  const int32_t dtype = code.IsNumber() ? code.As<Napi::Number>().Int32Value() : -1;
  if (dtype < 0 || dtype > 2) throw Napi::TypeError::New(info.Env(), "unknown dtype");
  view.dtype = static_cast<DType>(dtype);
  if (!info[shape_index].IsArray()) throw Napi::TypeError::New(info.Env(), "a shape must be an array");
  const auto shape = info[shape_index].As<Napi::Array>();
  if (shape.Length() > kMaxRank) throw Napi::TypeError::New(info.Env(), "a tensor has at most 6 axes");
  view.rank = static_cast<int32_t>(shape.Length());
  // Without the zeros: kernels multiply some of the sizes.
  i64 product = 1;
  for (uint32_t axis = 0; axis < shape.Length(); ++axis) {
    const Napi::Value value = shape.Get(axis);
    const double size = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(size >= 0) || size != std::floor(size) || std::isinf(size))
      throw Napi::TypeError::New(info.Env(), "a shape must hold whole numbers");
    view.shape[axis] = static_cast<i64>(std::min(size, 0x1p62));
    if (__builtin_mul_overflow(product, std::max<i64>(1, view.shape[axis]), &product) ||
        product > (i64{1} << 48))
      throw Napi::RangeError::New(info.Env(), "the sizes of a shape must have a product of at most 2^48");
  }
  return view;
}

// create(dtype, shape) -> handle of uninitialised memory
Napi::Value create(const Napi::CallbackInfo& info) {
  const TensorView view = view_from(info, 0, 1);
  Backend& backend = cpu_backend();
  try {
    Block* block = backend.take(view.bytes());
    return Napi::Number::New(info.Env(), Environment::of(info).create(backend, block, 0, view));
  } catch (const MemoryLimitReached& error) {
    throw Napi::RangeError::New(info.Env(), error.what());
  }
}

// view(handle, offset in elements, dtype, shape) -> handle that shares the memory
Napi::Value view(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info);
  const Slot slot = environment.at(info.Env(), info[0].ToNumber().DoubleValue());
  const i64 offset = info[1].ToNumber().Int64Value();
  const TensorView view = view_from(info, 2, 3);
  if (offset < 0 || offset > slot.view.elements() || view.dtype != slot.view.dtype ||
      view.elements() > slot.view.elements() - offset)
    throw Napi::RangeError::New(info.Env(), "a view must lie inside its tensor and have its dtype");
  const size_t byte_offset = slot.offset + static_cast<size_t>(offset) * dtype_size(view.dtype);
  return Napi::Number::New(info.Env(), environment.create(*slot.backend, slot.block, byte_offset, view));
}

void release(const Napi::CallbackInfo& info) {
  Environment::of(info).release(info[0].ToNumber().DoubleValue());
}

struct Upload final : Command {
  Bound<Out> target;
  std::vector<uint8_t> bytes;

  void run(Context&) override {
    if (!bytes.empty()) std::memcpy(target.resolve().data, bytes.data(), bytes.size());
    target.block->mark = nullptr;
    target.block->version = next_version();
  }
  void cancel() override { target.block->mark = cancelled_mark(); }
  void describe(Work& work) override {
    work.name = "(upload)";
    work.add(0, target.view, false, true);
  }
};

// upload(handle, typed array of the tensor's size in bytes)
void upload(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info);
  const Slot& slot = environment.at(info.Env(), info[0].ToNumber().DoubleValue());
  if (!info[1].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "upload: a typed array is needed");
  const auto array = info[1].As<Napi::TypedArray>();
  if (array.ByteLength() != slot.view.bytes())
    throw Napi::RangeError::New(info.Env(), "upload: " + std::to_string(array.ByteLength()) +
                                                " bytes received for a tensor of " +
                                                std::to_string(slot.view.bytes()));
  auto command = std::make_unique<Upload>();
  static_cast<TensorView&>(command->target.view) = slot.view;
  command->target.block = slot.block;
  command->target.offset = slot.offset;
  const auto* source = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  try {
    command->bytes.assign(source, source + array.ByteLength());
  } catch (const std::bad_alloc&) {
    throw Napi::RangeError::New(info.Env(), "upload: no memory for a copy of the array");
  }
  environment.enqueue(*slot.backend, std::move(command));
}

struct Read final : Command {
  Bound<In> source;  // absent for a fence
  std::unique_ptr<Environment::Settlement> settlement;
  std::shared_ptr<Environment::Mailbox> mailbox;

  void run(Context&) override {
    if (source.block) {
      settlement->failure = source.block->mark;
      if (!settlement->failure) copy();
    }
    mailbox->post(std::move(settlement));
  }
  void cancel() override {
    settlement->failure = cancelled_mark();
    mailbox->post(std::move(settlement));
  }
  void describe(Work& work) override {
    // A fence may be answered before it is counted: with it no two profiles would be alike.
    if (!source.block) return;
    work.name = "(read)";
    work.add(0, source.view, true, false);
  }

 private:
  void copy() {
    const auto* data = static_cast<const uint8_t*>(source.resolve().data);
    try {
      settlement->bytes = std::make_shared<std::vector<uint8_t>>(data, data + source.view.bytes());
    } catch (const std::bad_alloc&) {
      settlement->failure =
          std::make_shared<const Failure>(Failure{"read: no memory for a copy of the tensor"});
    }
  }
};

Napi::Value enqueue_read(const Napi::CallbackInfo& info, Backend& backend, const Slot* slot) {
  Environment& environment = Environment::of(info);
  auto command = std::make_unique<Read>();
  if (slot) {
    static_cast<TensorView&>(command->source.view) = slot->view;
    command->source.block = slot->block;
    command->source.offset = slot->offset;
  }
  command->mailbox = environment.mailbox();
  const Napi::Promise promise = environment.open_promise(info.Env(), command->settlement);
  environment.enqueue(backend, std::move(command));
  return promise;
}

// read(handle) -> promise of an ArrayBuffer
Napi::Value read(const Napi::CallbackInfo& info) {
  const Slot slot = Environment::of(info).at(info.Env(), info[0].ToNumber().DoubleValue());
  return enqueue_read(info, *slot.backend, &slot);
}

// fence() -> promise that resolves when the stream gets there
Napi::Value fence(const Napi::CallbackInfo& info) { return enqueue_read(info, cpu_backend(), nullptr); }

// ---- jobs ----

Napi::Value create_job(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Environment::of(info).create_job());
}
void set_job(const Napi::CallbackInfo& info) {
  Environment::of(info).set_job(info[0].ToNumber().DoubleValue());
}
void cancel_job(const Napi::CallbackInfo& info) {
  Environment::of(info).cancel_job(info[0].ToNumber().DoubleValue());
}
void release_job(const Napi::CallbackInfo& info) {
  Environment::of(info).release_job(info[0].ToNumber().DoubleValue());
}

// ---- memory and the stream ----

Napi::Value memory(const Napi::CallbackInfo& info) {
  const MemoryStats stats = cpu_backend().pool().stats();
  const auto result = Napi::Object::New(info.Env());
  result.Set("live", static_cast<double>(stats.live));
  result.Set("cached", static_cast<double>(stats.cached));
  result.Set("peak", static_cast<double>(stats.peak));
  result.Set("limit", static_cast<double>(stats.limit));
  result.Set("tensors", static_cast<double>(Environment::of(info).live_handles()));
  result.Set("pending", static_cast<double>(cpu_backend().stream().pending()));
  return result;
}

void set_memory_limit(const Napi::CallbackInfo& info) {
  cpu_backend().pool().set_limit(static_cast<size_t>(info[0].ToNumber().Int64Value()));
}

void trim_memory(const Napi::CallbackInfo&) { cpu_backend().trim(); }

void set_threads(const Napi::CallbackInfo& info) {
  const int threads = info[0].ToNumber().Int32Value();
  cpu_backend().enqueue([threads] { cpu::set_threads(threads); });
}

Napi::Value device_info(const Napi::CallbackInfo& info) {
  const auto result = Napi::Object::New(info.Env());
  result.Set("simd", cpu::simd_name());
  result.Set("nativeBf16", cpu::has_native_bf16());
  result.Set("processors", cpu::processor_count());
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  cpu::choose_simd();
  Environment::open(env);
#define K(name, arguments) \
  exports.Set(#name,       \
              Napi::Function::New<call_kernel<&KernelTable::name>>(env, #name, const_cast<char*>(#name)));
  KERNELS(K)
#undef K
  const auto export_function = [&](const char* name, auto function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  export_function("create", create);
  export_function("view", view);
  export_function("release", release);
  export_function("upload", upload);
  export_function("read", read);
  export_function("fence", fence);
  export_function("create_job", create_job);
  export_function("set_job", set_job);
  export_function("cancel_job", cancel_job);
  export_function("release_job", release_job);
  export_function("memory", memory);
  export_function("set_memory_limit", set_memory_limit);
  export_function("trim_memory", trim_memory);
  export_function("set_threads", set_threads);
  export_function("device_info", device_info);
  export_function("lock_file", lock_file);
  export_function("profile_start", profile_start);
  export_function("profile_stop", profile_stop);

  std::string contract;
#define K(name, arguments) contract += #name " " #arguments "\n";
  KERNELS(K)
#undef K
  exports.Set("contract", contract);
  return exports;
}

}  // namespace

Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return init(env, exports); }
NODE_API_MODULE(transfusion, init_addon)

}  // namespace transfusion
