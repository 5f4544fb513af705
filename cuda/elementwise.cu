// fill: y = value.
// One thread for 16 bytes; where y does not begin at such an address, and at its end, element by element.
#include "kernel.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct FillArguments {
  void* y;
  i64 count;
  f32 value;
  bool aligned;
};

#ifdef __CUDACC__

template <class T>
__device__ void fill(const FillArguments& arguments) {
  constexpr int kSize = Vector<T>::kSize;
  const i64 begin = (static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x) * kSize;
  T* y = static_cast<T*>(arguments.y) + begin;
  const T value = from_float<T>(arguments.value);
  if (arguments.aligned && begin + kSize <= arguments.count) {
    Vector<T> vector;
    for (T& element : vector.elements) element = value;
    store_vector(y, vector);
  } else {
    for (i64 i = 0; i < kSize && begin + i < arguments.count; ++i) y[i] = value;
  }
}

KERNEL(fill_f32, FillArguments, kThreads) { fill<f32>(arguments); }
KERNEL(fill_bf16, FillArguments, kThreads) { fill<bf16>(arguments); }

#else

FLOAT_KERNELS(fill_kernel, FillArguments, "elementwise", "fill", kThreads)

Status fill(Context& context, Out y, f32 value) {
  const i64 count = y.elements(), per_block = kThreads * 16 / static_cast<i64>(dtype_size(y.dtype));
  return launch(context, fill_kernel(y.dtype), {ceil_div(count, per_block)},
                {y.data, count, value, aligned({y.data})});
}

#endif

}  // namespace transfusion::cuda
