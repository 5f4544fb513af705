// Profiles of a device's stream, for JavaScript.
#pragma once

#include <napi.h>

namespace transfusion {

// profile_start(most calls to keep one by one, device) -> profile
Napi::Value profile_start(const Napi::CallbackInfo& info);
// profile_stop(profile) -> NativeProfile, see lib/native_types.ts
Napi::Value profile_stop(const Napi::CallbackInfo& info);

}  // namespace transfusion
