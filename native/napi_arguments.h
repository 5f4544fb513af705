// What JavaScript passed, checked: messages name the callee, the argument, what it must be and what was
// received.
#pragma once

#include <napi.h>

#include <string>

#include "backend.h"

namespace transfusion {

// "undefined", "3", "a string", "an object"
std::string describe(const Napi::Value& value);

[[noreturn]] void reject(const Napi::Value& value, const std::string& callee, const std::string& argument,
                         const std::string& expected);

// The device of this number; 0, the CPU, where the argument is left out.
Backend& device_argument(const Napi::CallbackInfo& info, size_t index, const char* callee);

}  // namespace transfusion
