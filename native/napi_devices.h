// Devices for JavaScript, by their number: names, memory and settings. Where the number is left out, the CPU.
#pragma once

#include <napi.h>

namespace transfusion {

// devices() -> [{ name, refusal }], each at its number
Napi::Value device_list(const Napi::CallbackInfo& info);
// open_cuda(path of the library, version of the package, path of the driver or "") -> why CUDA is not there,
// or ""
Napi::Value open_cuda(const Napi::CallbackInfo& info);
// open_device(number): makes it ready; throws where that fails
void open_device(const Napi::CallbackInfo& info);
// device_info(device) -> what it is and can do
Napi::Value device_info(const Napi::CallbackInfo& info);
// memory(device) -> MemoryInfo, see lib/native_types.ts
Napi::Value memory(const Napi::CallbackInfo& info);
// set_memory_limit(bytes, device)
void set_memory_limit(const Napi::CallbackInfo& info);
// trim_memory(device)
void trim_memory(const Napi::CallbackInfo& info);
// set_threads(threads): of the CPU's kernels
void set_threads(const Napi::CallbackInfo& info);

}  // namespace transfusion
