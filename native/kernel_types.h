// The plain types that cross the kernel table: backends see tensors, statuses and contexts only through
// these. Nothing here owns memory.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace transfusion {

// From int8 on: block dtypes, for storage alone, see shared/blocks.h.
enum class DType : int32_t {
  f32 = 0,
  bf16 = 1,
  i32 = 2,
  int8 = 3,
  q8_0 = 4,
  q4_0 = 5,
  q4_1 = 6,
  q4_k = 7,
  q6_k = 8
};
inline constexpr int kDTypes = 9;

constexpr const char* dtype_name(DType dtype) {
  constexpr const char* kNames[kDTypes] = {"f32",  "bf16", "i32",  "int8", "q8_0",
                                           "q4_0", "q4_1", "q4_k", "q6_k"};
  return kNames[static_cast<int>(dtype)];
}

struct bf16 {
  uint16_t bits;
};

using f32 = float;
using i32 = int32_t;
using i64 = int64_t;
using u64 = uint64_t;

inline constexpr int kMaxRank = 6;

// Of an element; block dtypes have none.
inline size_t dtype_size(DType dtype) { return dtype == DType::bf16 ? 2 : 4; }

// A tensor [.., K] of a block dtype is rows of K values, each in blocks of `values` that take `bytes`. A row
// of int8 is one block: K bytes, padding to a multiple of 4, and a scale.
struct BlockSize {
  i64 values, bytes;
};
constexpr bool is_blocks(DType dtype) { return dtype >= DType::int8; }
constexpr BlockSize block_size(DType dtype) {
  constexpr BlockSize kSizes[] = {{1, 1}, {32, 34}, {32, 18}, {32, 20}, {256, 144}, {256, 210}};
  return kSizes[static_cast<int>(dtype) - static_cast<int>(DType::int8)];
}
// Of a row of K values; K is a multiple of the block's.
constexpr i64 row_bytes(DType dtype, i64 K) {
  if (!is_blocks(dtype)) return K * static_cast<i64>(dtype == DType::bf16 ? 2 : 4);
  if (dtype == DType::int8) return (K + 3) / 4 * 4 + 4;
  return K / block_size(dtype).values * block_size(dtype).bytes;
}

// Dense, row-major. An absent optional argument has data == nullptr.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  int32_t rank = 0;
  i64 shape[kMaxRank] = {};
  // Of what the memory around it holds: equal for equal data pointers only while nothing was written there.
  u64 version = 0;

  bool present() const { return data != nullptr; }
  i64 elements() const {
    i64 count = 1;
    for (int axis = 0; axis < rank; ++axis) count *= shape[axis];
    return count;
  }
  size_t bytes() const {
    if (is_blocks(dtype)) return static_cast<size_t>(rows() * row_bytes(dtype, dim(-1)));
    return static_cast<size_t>(elements()) * dtype_size(dtype);
  }
  // Size of an axis; negative axes count from the last.
  i64 dim(int axis) const { return shape[axis < 0 ? rank + axis : axis]; }
  // Everything before the last axis as one: a tensor [..., C] has rows() rows of dim(-1) elements.
  i64 rows() const {
    i64 count = 1;
    for (int axis = 0; axis + 1 < rank; ++axis) count *= shape[axis];
    return count;
  }
};

template <class T>
struct WritableView : TensorView {
  template <class E>
  E* as() const {
    return static_cast<E*>(data);
  }
};
template <class T>
struct ReadableView : TensorView {
  template <class E>
  const E* as() const {
    return static_cast<const E*>(data);
  }
};

// The kinds of argument. What the stream does with each when an input is marked as failed:
struct Out : WritableView<Out> {};                  // written whole; marked
struct OutOptional : WritableView<OutOptional> {};  // as Out, or absent: not wanted
// Written whole, in a block whose other parts may have failed: marked, but never unmarked.
struct Part : WritableView<Part> {};
struct Acc : WritableView<Acc> {};      // f32, added to; marked; may be absent: not wanted
struct InOut : WritableView<InOut> {};  // read and written; marked
struct State : WritableView<State> {};  // read and written; left as it was and unmarked (parameters, moments)
struct StateOut : WritableView<StateOut> {};  // written whole, or as State left as it was; may be absent
struct In : ReadableView<In> {};
// As Out and In, but of block dtypes too: every other kind refuses those.
struct OutAny : WritableView<OutAny> {};
struct InAny : ReadableView<InAny> {};
struct InOptional : ReadableView<InOptional> {};
struct InList {
  const In* items;
  i64 count;
};

// What a kernel returns. The message names the argument and the value received; the caller adds the op.
struct Status {
  bool failed = false;
  char message[247] = {};
};

inline Status ok() { return {}; }

__attribute__((format(printf, 1, 2))) inline Status fail(const char* format, ...) {
  Status status;
  status.failed = true;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(status.message, sizeof status.message, format, arguments);
  va_end(arguments);
  return status;
}

class ProductChoices;

// What a kernel may use besides its arguments. Scratch is valid until the kernel returns, 64-byte aligned,
// uninitialised, outside the pool; a device with memory of its own counts it with the pool's.
struct Context {
  void* device_stream = nullptr;  // what the device's kernels give their work to; null on the CPU
  void* arena = nullptr;
  void* (*allocate)(void* arena, size_t bytes) = nullptr;
  // Of the command, see product_choices.h; null: all products are computed as a fixed rule says.
  ProductChoices* products = nullptr;

  template <class T>
  T* scratch(i64 count) {
    return static_cast<T*>(allocate(arena, static_cast<size_t>(count) * sizeof(T)));
  }
};

}  // namespace transfusion
