// What the host half of a .cu file uses: kernels by name, launches in stream order, failures found later.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>

#include "kernel.h"

namespace transfusion::cuda {

struct Grid {
  i64 x = 1, y = 1, z = 1;
};

// Of the device that a command runs on.
struct DeviceLimits {
  int compute_capability;  // 80, 86, 89, 90 ..
  int multiprocessors;
  size_t shared_memory;  // bytes that a block may ask for
};
const DeviceLimits& limits(const Context& context);

// A kernel of an image, which is a .cu file's name. Made once, as a constant of the file; loaded at its first
// launch.
struct KernelName {
  const char* image;
  const char* name;
  unsigned threads;  // of a block
  size_t argument_bytes;
};

template <class Arguments>
struct Kernel : KernelName {
  constexpr Kernel(const char* image, const char* name, unsigned threads)
      : KernelName{image, name, threads, sizeof(Arguments)} {}
};

// NAME_f32 and NAME_bf16, by the type of the elements.
#define FLOAT_KERNELS(variable, Arguments, image, name, threads)             \
  constexpr Kernel<Arguments> variable##_f32(image, name "_f32", threads);   \
  constexpr Kernel<Arguments> variable##_bf16(image, name "_bf16", threads); \
  static const Kernel<Arguments>& variable(DType dtype) {                    \
    return dtype == DType::bf16 ? variable##_bf16 : variable##_f32;          \
  }

// NAME_Y_X, by the types of the elements that are written and read.
#define FLOAT_PAIR_KERNELS(variable, Arguments, image, name, threads)                           \
  constexpr Kernel<Arguments> variable##_f32_f32(image, name "_f32_f32", threads);              \
  constexpr Kernel<Arguments> variable##_f32_bf16(image, name "_f32_bf16", threads);            \
  constexpr Kernel<Arguments> variable##_bf16_f32(image, name "_bf16_f32", threads);            \
  constexpr Kernel<Arguments> variable##_bf16_bf16(image, name "_bf16_bf16", threads);          \
  static const Kernel<Arguments>& variable(DType y, DType x) {                                  \
    if (y == DType::bf16) return x == DType::bf16 ? variable##_bf16_bf16 : variable##_bf16_f32; \
    return x == DType::bf16 ? variable##_f32_bf16 : variable##_f32_f32;                         \
  }

Status launch(Context& context, const KernelName& kernel, Grid grid, const void* arguments,
              size_t shared_bytes);

// Gives a kernel to the device. A grid of no blocks is nothing to do. `shared_bytes`: of dynamic shared
// memory.
template <class Arguments>
Status launch(Context& context, const Kernel<Arguments>& kernel, Grid grid, const Arguments& arguments,
              size_t shared_bytes = 0) {
  return launch(context, static_cast<const KernelName&>(kernel), grid, &arguments, shared_bytes);
}

// In stream order.
Status copy(Context& context, void* target, const void* source, size_t bytes);
Status set_zero(Context& context, void* target, size_t bytes);

// Sets `data` to memory of at least `bytes` that holds what `make` gives the device to write to it. Where an
// earlier command asked with the same key, it is what it made then: `key` says all that it depends on,
// tensors by address and version. An empty key: nothing may be used again. Throws std::bad_alloc.
Status keep(Context& context, std::string key, size_t bytes, void*& data,
            const std::function<Status(void*)>& make);

// Where kernels of this command report what they find wrong: at most one such call in a command. `describe`
// makes the message of it, on another thread, once the command is done.
using DescribeFailure = std::function<Status(const FailureRecord&)>;
Failures expect_failures(Context& context, DescribeFailure describe);

// The same for indices that are to be -1 or in 0..count-1, see check_index in device/failure.cuh.
Failures expect_indices(Context& context, const char* argument, i64 count);

// Whether all addresses are multiples of 16 bytes: a view may begin anywhere in its tensor.
inline bool aligned(std::initializer_list<const void*> addresses) {
  uintptr_t bits = 0;
  for (const void* address : addresses) bits |= reinterpret_cast<uintptr_t>(address);
  return bits % 16 == 0;
}

// Elements of a vector where types are read and written side by side; kVectorSize of device/vectors.cuh.
inline int vector_size(DType a, DType b) {
  return static_cast<int>(16 / (dtype_size(a) > dtype_size(b) ? dtype_size(a) : dtype_size(b)));
}
inline int vector_size(DType a) { return vector_size(a, a); }

inline i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }

// Blocks of at most 256 threads that take turns: enough to fill the device. Not where results depend on it.
inline i64 resident_blocks(const Context& context, i64 blocks) {
  return std::min(blocks, 8 * i64{limits(context).multiprocessors});
}

}  // namespace transfusion::cuda
