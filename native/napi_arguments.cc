#include "napi_arguments.h"

#include <algorithm>

#include "devices.h"

namespace transfusion {

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
    case napi_number:
      return value.ToString().Utf8Value();
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return "an object";
  }
}

void reject(const Napi::Value& value, const std::string& callee, const std::string& argument,
            const std::string& expected) {
  throw Napi::TypeError::New(
      value.Env(), callee + ": " + argument + " must " + expected + ", received " + describe(value));
}

Backend& device_argument(const Napi::CallbackInfo& info, size_t index, const char* callee) {
  const Napi::Value value = info[index];
  if (value.IsUndefined()) return *find_device(0);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  const auto place = static_cast<uint32_t>(std::clamp(number, 0.0, 1e9));
  Backend* backend = number == place ? find_device(place) : nullptr;
  if (!backend) reject(value, callee, "device", "be the number of a device");
  return *backend;
}

}  // namespace transfusion
