#include "napi_devices.h"

#include "cpu/cpu_backend.h"
#include "devices.h"
#include "napi_arguments.h"
#include "napi_environment.h"

namespace transfusion {

Napi::Value device_list(const Napi::CallbackInfo& info) {
  const auto list = Napi::Array::New(info.Env());
  for (const DeviceEntry& entry : devices()) {
    const auto device = Napi::Object::New(info.Env());
    device.Set("name", entry.name);
    device.Set("refusal", entry.refusal);
    list.Set(list.Length(), device);
  }
  return list;
}

Napi::Value open_cuda(const Napi::CallbackInfo& info) {
  const auto text = [&](size_t index) { return info[index].ToString().Utf8Value(); };
  return Napi::String::New(info.Env(), open_cuda(text(0), text(1), text(2)));
}

void open_device(const Napi::CallbackInfo& info) {
  try {
    open_device(info[0].ToNumber().Uint32Value());
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Value device_info(const Napi::CallbackInfo& info) {
  const auto result = Napi::Object::New(info.Env());
  for (const auto& [name, value] : device_argument(info, 0, "device_info").device().properties())
    std::visit([&, name = name](const auto& value) { result.Set(name, value); }, value);
  return result;
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  Backend& backend = device_argument(info, 0, "memory");
  const MemoryStats stats = backend.pool().stats();
  const auto result = Napi::Object::New(info.Env());
  result.Set("live", static_cast<double>(stats.live));
  result.Set("cached", static_cast<double>(stats.cached));
  result.Set("scratch", static_cast<double>(stats.scratch));
  result.Set("peak", static_cast<double>(stats.peak));
  result.Set("limit", static_cast<double>(stats.limit));
  result.Set("tensors", static_cast<double>(Environment::of(info).live_handles(backend)));
  result.Set("pending", static_cast<double>(backend.stream().pending()));
  return result;
}

void set_memory_limit(const Napi::CallbackInfo& info) {
  device_argument(info, 1, "set_memory_limit")
      .pool()
      .set_limit(static_cast<size_t>(info[0].ToNumber().Int64Value()));
}

void trim_memory(const Napi::CallbackInfo& info) { device_argument(info, 0, "trim_memory").trim(); }

void set_threads(const Napi::CallbackInfo& info) { set_cpu_threads(info[0].ToNumber().Int32Value()); }

}  // namespace transfusion
