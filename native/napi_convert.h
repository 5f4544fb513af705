// From JavaScript values to the arguments of a kernel, by template over the contract's types.
#pragma once

#include "napi_environment.h"

namespace transfusion {

// Which argument of which kernel is being converted, for error messages.
struct Place {
  const char* kernel;
  int argument;
};

[[noreturn]] inline void reject(Napi::Env env, const Place& place, const std::string& what) {
  throw Napi::TypeError::New(
      env, std::string(place.kernel) + ": argument " + std::to_string(place.argument) + " " + what);
}

template <class Kind>
constexpr bool may_be_absent =
    std::is_same_v<Kind, OutOptional> || std::is_same_v<Kind, InOptional> || std::is_same_v<Kind, Acc>;

template <class Kind>
Bound<Kind> convert_tensor(Environment& environment, Napi::Value value, const Place& place) {
  Bound<Kind> bound;
  if (may_be_absent<Kind> && value.IsUndefined()) return bound;
  if (!value.IsNumber()) reject(value.Env(), place, "must be a tensor");
  const Slot& slot = environment.at(value.Env(), value.As<Napi::Number>().DoubleValue());
  static_cast<TensorView&>(bound.view) = slot.view;
  bound.block = slot.block;
  bound.offset = slot.offset;
  if (std::is_same_v<Kind, Acc> && slot.view.dtype != DType::f32) reject(value.Env(), place, "must be f32");
  return bound;
}

template <class T>
struct Convert;

template <class T>
requires std::is_base_of_v<TensorView, T>
struct Convert<T> {
  static Bound<T> from(Environment& environment, Napi::Value value, const Place& place) {
    return convert_tensor<T>(environment, value, place);
  }
};

template <>
struct Convert<InList> {
  static BoundList from(Environment& environment, Napi::Value value, const Place& place) {
    if (!value.IsArray()) reject(value.Env(), place, "must be an array of tensors");
    const auto array = value.As<Napi::Array>();
    BoundList list;
    for (uint32_t i = 0; i < array.Length(); ++i)
      list.items.push_back(convert_tensor<In>(environment, array.Get(i), place));
    return list;
  }
};

template <>
struct Convert<f32> {
  static f32 from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsNumber()) reject(value.Env(), place, "must be a number");
    return value.As<Napi::Number>().FloatValue();
  }
};

template <>
struct Convert<i64> {
  static i64 from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsNumber()) reject(value.Env(), place, "must be an integer");
    return value.As<Napi::Number>().Int64Value();
  }
};

template <>
struct Convert<u64> {
  static u64 from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsBigInt()) reject(value.Env(), place, "must be a bigint");
    bool lossless;
    return value.As<Napi::BigInt>().Uint64Value(&lossless);
  }
};

template <>
struct Convert<bool> {
  static bool from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsBoolean()) reject(value.Env(), place, "must be a boolean");
    return value.As<Napi::Boolean>().Value();
  }
};

}  // namespace transfusion
