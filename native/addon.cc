// The addon's exports: one function per kernel of the contract, tensors, jobs, devices, profiles.
#include <napi.h>

#include "common_backend.h"
#include "cpu/runtime/processor.h"
#include "napi_convert.h"
#include "napi_devices.h"
#include "napi_environment.h"
#include "napi_file_lock.h"
#include "napi_products.h"
#include "napi_profile.h"
#include "napi_tensors.h"

namespace transfusion {
namespace {

// ---- kernels ----

template <auto KernelTable::*Member, class... Arguments, size_t... I>
void enqueue_kernel(const Napi::CallbackInfo& info, const KernelSignature& signature,
                    Status (*KernelTable::*)(Context&, Arguments...), std::index_sequence<I...>) {
  Environment& environment = Environment::of(info);
  using Call = KernelCommand<Arguments...>;
  typename Call::Held held{
      Convert<Arguments>::from(environment, info[I], Place{signature, static_cast<int>(I)})...};
  try {
    Backend& backend = common_backend(signature, held);
    const auto kernel = backend.kernels.*Member;
    if (!kernel)
      throw Napi::Error::New(info.Env(), std::string(signature.name) + ": this build lacks the kernel");
    environment.enqueue(backend,
                        std::make_unique<Call>(signature.name, kernel, std::move(held), flops_of<Member>));
  } catch (const MixedDevices& error) {
    throw Napi::TypeError::New(info.Env(), error.what());
  }
}

template <auto KernelTable::*Member, class... Arguments>
void enqueue_kernel(const Napi::CallbackInfo& info, Status (*KernelTable::*member)(Context&, Arguments...)) {
  enqueue_kernel<Member>(info, *static_cast<const KernelSignature*>(info.Data()), member,
                         std::index_sequence_for<Arguments...>());
}

template <auto KernelTable::*Member>
void call_kernel(const Napi::CallbackInfo& info) {
  enqueue_kernel<Member>(info, Member);
}

template <auto KernelTable::*Member>
void export_kernel(Napi::Object exports, const char* name, const char* arguments) {
  static KernelSignature signature{name, arguments};
  exports.Set(name, Napi::Function::New<call_kernel<Member>>(exports.Env(), name, &signature));
}

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

// The list's text, one kernel a line.
std::string contract() {
  std::string text;
#define K(name, arguments) text += #name " " #arguments "\n";
  KERNELS(K)
#undef K
  return text;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  cpu::choose_simd();
  Environment::open(env);
#define K(name, arguments) export_kernel<&KernelTable::name>(exports, #name, #arguments);
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
  export_function("devices", device_list);
  export_function("open_cuda", [](const Napi::CallbackInfo& info) { return open_cuda(info); });
  export_function("open_device", [](const Napi::CallbackInfo& info) { open_device(info); });
  export_function("device_info", device_info);
  export_function("memory", memory);
  export_function("set_memory_limit", set_memory_limit);
  export_function("trim_memory", trim_memory);
  export_function("set_threads", set_threads);
  export_function("lock_file", lock_file);
  export_function("create_products", create_products);
  export_function("use_products", use_products);
  export_function("set_product", set_product);
  export_function("list_products", list_products);
  export_function("measure_product", measure_product);
  export_function("profile_start", profile_start);
  export_function("profile_stop", profile_stop);
  exports.Set("contract", contract());
  return exports;
}

}  // namespace

Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return init(env, exports); }
NODE_API_MODULE(transfusion, init_addon)

}  // namespace transfusion
