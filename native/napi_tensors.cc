#include "napi_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "copy_commands.h"
#include "napi_arguments.h"
#include "napi_environment.h"

namespace transfusion {
namespace {

constexpr i64 kMaxElements = i64{1} << 48;

// A row is of whole blocks.
void check_blocks(Napi::Env env, const TensorView& view) {
  if (!is_blocks(view.dtype)) return;
  const i64 values = block_size(view.dtype).values;
  if (view.rank == 0 || view.dim(-1) % values != 0)
    throw Napi::RangeError::New(env, std::string("shape of ") + dtype_name(view.dtype) +
                                         " must have a last axis of whole blocks of " +
                                         std::to_string(values));
}

TensorView view_from(const Napi::CallbackInfo& info, size_t dtype_index, size_t shape_index) {
  TensorView view;
  const Napi::Value code = info[dtype_index];
  const int32_t dtype = code.IsNumber() ? code.As<Napi::Number>().Int32Value() : -1;
  if (dtype < 0 || dtype >= kDTypes)
    throw Napi::TypeError::New(info.Env(), "dtype must be the number of a dtype");
  view.dtype = static_cast<DType>(dtype);
  if (!info[shape_index].IsArray()) throw Napi::TypeError::New(info.Env(), "shape must be an array");
  const auto shape = info[shape_index].As<Napi::Array>();
  if (shape.Length() > kMaxRank) throw Napi::TypeError::New(info.Env(), "shape must have at most 6 axes");
  view.rank = static_cast<int32_t>(shape.Length());
  // Without the zeros: kernels multiply some of the sizes.
  i64 product = 1;
  for (uint32_t axis = 0; axis < shape.Length(); ++axis) {
    const Napi::Value value = shape.Get(axis);
    const double size = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(size >= 0) || size != std::floor(size) || std::isinf(size))
      throw Napi::TypeError::New(info.Env(), "shape must hold integers of at least 0");
    view.shape[axis] = static_cast<i64>(std::min(size, 0x1p62));
    if (__builtin_mul_overflow(product, std::max<i64>(1, view.shape[axis]), &product) ||
        product > kMaxElements)
      throw Napi::RangeError::New(info.Env(), "shape must have a product of at most 2^48");
  }
  check_blocks(info.Env(), view);
  return view;
}

Slot& tensor_argument(const Napi::CallbackInfo& info) {
  return Environment::of(info).at(info.Env(), info[0].ToNumber().DoubleValue());
}

template <class Kind>
Bound<Kind> bound_to(const Slot& slot) {
  Bound<Kind> bound;
  static_cast<TensorView&>(bound.view) = slot.view;
  bound.block = slot.block;
  bound.offset = slot.offset;
  return bound;
}

class PromisedRead final : public Read {
 public:
  PromisedRead(Bound<In> source, Environment& environment) : Read(source), mailbox_(environment.mailbox()) {}

  Napi::Promise promise(Napi::Env env, Environment& environment) {
    return environment.open_promise(env, settlement_);
  }

 private:
  void receive(HostBuffer bytes, Mark failure) override {
    settlement_->bytes = std::move(bytes);
    settlement_->failure = std::move(failure);
    mailbox_->post(std::move(settlement_));
  }

  std::unique_ptr<Environment::Settlement> settlement_;
  std::shared_ptr<Environment::Mailbox> mailbox_;
};

Napi::Value enqueue_read(const Napi::CallbackInfo& info, Backend& backend, Bound<In> source) {
  Environment& environment = Environment::of(info);
  auto command = std::make_unique<PromisedRead>(source, environment);
  const Napi::Promise promise = command->promise(info.Env(), environment);
  environment.enqueue(backend, std::move(command));
  return promise;
}

}  // namespace

Napi::Value create(const Napi::CallbackInfo& info) {
  const TensorView view = view_from(info, 0, 1);
  Backend& backend = device_argument(info, 2, "create");
  try {
    Block* block = backend.take(view.bytes());
    return Napi::Number::New(info.Env(), Environment::of(info).create(block, 0, view));
  } catch (const MemoryLimitReached& error) {
    throw Napi::RangeError::New(info.Env(), error.what());
  } catch (const DeviceEnded& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Value view(const Napi::CallbackInfo& info) {
  const Slot slot = tensor_argument(info);
  const i64 offset = info[1].ToNumber().Int64Value();
  const TensorView view = view_from(info, 2, 3);
  if (offset < 0 || offset > slot.view.elements() || view.dtype != slot.view.dtype ||
      view.elements() > slot.view.elements() - offset)
    throw Napi::RangeError::New(info.Env(), "view: it must lie inside its tensor and have its dtype");
  size_t byte_offset = slot.offset;
  if (is_blocks(view.dtype)) {
    const i64 K = view.dim(-1);
    if (K != slot.view.dim(-1) || (K == 0 ? offset : offset % K) != 0)
      throw Napi::RangeError::New(info.Env(), "view: of a block dtype it must be of whole rows");
    if (K > 0) byte_offset += static_cast<size_t>(offset / K * row_bytes(view.dtype, K));
  } else {
    byte_offset += static_cast<size_t>(offset) * dtype_size(view.dtype);
  }
  return Napi::Number::New(info.Env(), Environment::of(info).create(slot.block, byte_offset, view));
}

void release(const Napi::CallbackInfo& info) {
  Environment::of(info).release(info[0].ToNumber().DoubleValue());
}

void upload(const Napi::CallbackInfo& info) {
  const Slot& slot = tensor_argument(info);
  if (!info[1].IsTypedArray()) reject(info[1], "upload", "data", "be a typed array");
  const auto array = info[1].As<Napi::TypedArray>();
  if (array.ByteLength() != slot.view.bytes())
    throw Napi::RangeError::New(info.Env(), "upload: data must have the tensor's " +
                                                std::to_string(slot.view.bytes()) + " bytes, received " +
                                                std::to_string(array.ByteLength()));
  Backend& backend = *slot.block->backend;
  HostBuffer staging;
  try {
    staging = backend.device().allocate_upload(array.ByteLength());
  } catch (const std::bad_alloc&) {
    throw Napi::RangeError::New(info.Env(), "upload: no memory for a copy of the array");
  }
  const auto* source = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (staging.bytes > 0) std::memcpy(staging.data.get(), source, staging.bytes);
  Environment::of(info).enqueue(backend, std::make_unique<Upload>(bound_to<Out>(slot), std::move(staging)));
}

Napi::Value read(const Napi::CallbackInfo& info) {
  const Slot& slot = tensor_argument(info);
  return enqueue_read(info, *slot.block->backend, bound_to<In>(slot));
}

Napi::Value fence(const Napi::CallbackInfo& info) {
  return enqueue_read(info, device_argument(info, 0, "fence"), {});
}

}  // namespace transfusion
