#include "napi_arguments.h"

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
  if (value.IsUndefined()) return *devices().front();
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  for (size_t i = 0; i < devices().size(); ++i)
    if (number == static_cast<double>(i)) return *devices()[i];
  reject(value, callee, "device", "be the number of a device");
}

}  // namespace transfusion
