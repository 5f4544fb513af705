#include "napi_profile.h"

#include "napi_arguments.h"

namespace transfusion {
namespace {

struct Handle {
  Stream& stream;
  std::shared_ptr<Recording> recording;
};

constexpr napi_type_tag kTag = {0x7472616e73667573, 0x696f6e2d70726f66};

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

Napi::Object tensor_object(Napi::Env env, const Work::Tensor& tensor) {
  const auto shape = Napi::Array::New(env, static_cast<size_t>(tensor.view.rank));
  for (int axis = 0; axis < tensor.view.rank; ++axis)
    shape.Set(static_cast<uint32_t>(axis), static_cast<double>(tensor.view.shape[axis]));
  const auto object = Napi::Object::New(env);
  object.Set("argument", tensor.argument);
  object.Set("dtype", static_cast<int>(tensor.view.dtype));
  object.Set("shape", shape);
  return object;
}

Napi::Object entry_object(Napi::Env env, const Recording::Entry& entry) {
  const auto tensors = Napi::Array::New(env, entry.tensors.size());
  for (uint32_t i = 0; i < entry.tensors.size(); ++i) tensors.Set(i, tensor_object(env, entry.tensors[i]));
  const auto object = Napi::Object::New(env);
  object.Set("name", entry.name);
  object.Set("tensors", tensors);
  object.Set("calls", static_cast<double>(entry.calls));
  object.Set("time", milliseconds(entry.time));
  object.Set("bytesRead", static_cast<double>(entry.bytes_read));
  object.Set("bytesWritten", static_cast<double>(entry.bytes_written));
  object.Set("flops", entry.flops);
  return object;
}

Napi::Object spans_object(Napi::Env env, const Recording& recording) {
  const size_t count = recording.spans().size();
  auto entries = Napi::Uint32Array::New(env, count);
  auto starts = Napi::Float64Array::New(env, count), times = Napi::Float64Array::New(env, count);
  for (size_t i = 0; i < count; ++i) {
    const auto& span = recording.spans()[i];
    entries[i] = static_cast<uint32_t>(span.entry);
    starts[i] = milliseconds(span.start - recording.begin());
    times[i] = milliseconds(span.end - span.start);
  }
  const auto object = Napi::Object::New(env);
  object.Set("entries", entries);
  object.Set("starts", starts);
  object.Set("times", times);
  object.Set("leftOut", static_cast<double>(recording.spans_left_out()));
  return object;
}

}  // namespace

Napi::Value profile_start(const Napi::CallbackInfo& info) {
  const auto limit = static_cast<size_t>(info[0].ToNumber().Int64Value());
  Stream& stream = device_argument(info, 1, "profile_start").stream();
  const auto profile = Napi::External<Handle>::New(info.Env(), new Handle{stream, stream.record(limit)},
                                                   [](Napi::Env, Handle* handle) {
                                                     // Whoever forgets a profile ends it.
                                                     handle->stream.stop(*handle->recording);
                                                     delete handle;
                                                   });
  profile.TypeTag(&kTag);
  return profile;
}

Napi::Value profile_stop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsExternal() || !info[0].As<Napi::External<Handle>>().CheckTypeTag(&kTag))
    reject(info[0], "profile_stop", "profile", "be a profile");
  const Handle& handle = *info[0].As<Napi::External<Handle>>().Data();
  const Recording& recording = *handle.recording;
  handle.stream.stop(*handle.recording);
  const auto kernels = Napi::Array::New(env, recording.entries().size());
  for (uint32_t i = 0; i < recording.entries().size(); ++i)
    kernels.Set(i, entry_object(env, recording.entries()[i]));
  const auto object = Napi::Object::New(env);
  object.Set("time", milliseconds(recording.length()));
  object.Set("idle", milliseconds(recording.idle()));
  object.Set("kernels", kernels);
  object.Set("spans", spans_object(env, recording));
  return object;
}

}  // namespace transfusion
