// Tensors for JavaScript, by their handles: see napi_environment.h.
#pragma once

#include <napi.h>

namespace transfusion {

// create(dtype, shape, device) -> handle of uninitialised memory; the CPU where the device is left out
Napi::Value create(const Napi::CallbackInfo& info);
// view(handle, offset in elements, dtype, shape) -> handle that shares the memory
Napi::Value view(const Napi::CallbackInfo& info);
// release(handle); stale ones are let be
void release(const Napi::CallbackInfo& info);
// upload(handle, typed array of the tensor's size in bytes)
void upload(const Napi::CallbackInfo& info);
// read(handle) -> promise of an ArrayBuffer
Napi::Value read(const Napi::CallbackInfo& info);
// fence(device) -> promise that resolves when its stream gets there
Napi::Value fence(const Napi::CallbackInfo& info);

}  // namespace transfusion
