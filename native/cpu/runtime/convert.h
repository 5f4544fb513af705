// Copies of tensors in another dtype, in scratch, for kernels that compute in f32 what is stored as bf16.
#pragma once

#include "cpu/cpu.h"

namespace transfusion::cpu {

// A tensor of the same shape in scratch.
inline TensorView scratch_like(Context& context, TensorView tensor, DType dtype) {
  tensor.dtype = dtype;
  tensor.version = 0;
  tensor.data = context.scratch<char>(static_cast<i64>(tensor.bytes()));
  return tensor;
}

inline Status convert(Context& context, const TensorView& to, const TensorView& from) {
  OutAny out;
  InAny in;
  static_cast<TensorView&>(out) = to;
  static_cast<TensorView&>(in) = from;
  return cast(context, out, in);
}

// Makes the tensor an f32 copy of itself, unless it is absent or f32 already.
inline Status widen(Context& context, TensorView& tensor) {
  if (!tensor.present() || tensor.dtype == DType::f32) return ok();
  const TensorView wide = scratch_like(context, tensor, DType::f32);
  const Status status = convert(context, wide, tensor);
  tensor = wide;
  return status;
}

}  // namespace transfusion::cpu
