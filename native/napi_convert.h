// From JavaScript values to the arguments of a kernel, by template over the contract's types.
#pragma once

#include "kernel_signature.h"
#include "napi_arguments.h"
#include "napi_environment.h"

namespace transfusion {

// Which argument of which kernel is being converted, for error messages.
struct Place {
  const KernelSignature& kernel;
  int argument;
};

[[noreturn]] inline void reject(const Napi::Value& value, const Place& place, const char* expected) {
  reject(value, place.kernel.name, place.kernel.argument(place.argument), expected);
}

[[noreturn]] inline void reject_dtype(const Napi::Value& value, const Place& place, DType received) {
  throw Napi::TypeError::New(value.Env(),
                             std::string(place.kernel.name) + ": " + place.kernel.argument(place.argument) +
                                 " must not be of a block dtype, received " + dtype_name(received));
}

template <class Kind>
constexpr bool may_be_absent = std::is_same_v<Kind, OutOptional> || std::is_same_v<Kind, InOptional> ||
                               std::is_same_v<Kind, Acc> || std::is_same_v<Kind, StateOut>;

// The one place where kernels are kept from block dtypes that they do not know.
template <class Kind>
constexpr bool may_be_blocks = std::is_same_v<Kind, InAny> || std::is_same_v<Kind, OutAny>;

template <class Kind>
Bound<Kind> convert_tensor(Environment& environment, Napi::Value value, const Place& place) {
  Bound<Kind> bound;
  if (may_be_absent<Kind> && value.IsUndefined()) return bound;
  if (!value.IsNumber()) reject(value, place, "be a tensor");
  const Slot& slot = environment.at(value.Env(), value.As<Napi::Number>().DoubleValue());
  static_cast<TensorView&>(bound.view) = slot.view;
  bound.block = slot.block;
  bound.offset = slot.offset;
  if (!may_be_blocks<Kind> && is_blocks(slot.view.dtype)) reject_dtype(value, place, slot.view.dtype);
  if (std::is_same_v<Kind, Acc> && slot.view.dtype != DType::f32) reject(value, place, "be f32");
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
    if (!value.IsArray()) reject(value, place, "be an array of tensors");
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
    if (!value.IsNumber()) reject(value, place, "be a number");
    return value.As<Napi::Number>().FloatValue();
  }
};

template <>
struct Convert<i64> {
  static i64 from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsNumber()) reject(value, place, "be an integer");
    return value.As<Napi::Number>().Int64Value();
  }
};

template <>
struct Convert<bool> {
  static bool from(Environment&, Napi::Value value, const Place& place) {
    if (!value.IsBoolean()) reject(value, place, "be a boolean");
    return value.As<Napi::Boolean>().Value();
  }
};

}  // namespace transfusion
