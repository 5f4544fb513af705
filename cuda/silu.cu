// y = x s(x), s(x) = 1 / (1 + exp(-x)).  Backward: dx = dy s(x) (1 + x (1 - s(x))).
// One thread for a vector. Kept for backward: x.
#include "kernel.h"
#ifdef __CUDACC__
#include "device/activation.cuh"
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct SiluArguments {
  void* y;  // dx in backward
  const void *x, *dy;
  i64 count;
  bool aligned;
};

#ifdef __CUDACC__

template <class T>
__device__ void silu(const SiluArguments& arguments) {
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<T*>(arguments.y) + i, map([](float x) { return x * sigmoid_for<T>(x); },
                                                       access.load(static_cast<const T*>(arguments.x) + i)));
  });
}

KERNEL(silu_f32, SiluArguments, kThreads) { silu<f32>(arguments); }
KERNEL(silu_bf16, SiluArguments, kThreads) { silu<bf16>(arguments); }

template <class T>
__device__ void silu_backward(const SiluArguments& arguments) {
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<T*>(arguments.y) + i,
                 map([](float dy, float x) { return dy * silu_slope(x, sigmoid_for<T>(x)); },
                     access.load(static_cast<const T*>(arguments.dy) + i),
                     access.load(static_cast<const T*>(arguments.x) + i)));
  });
}

KERNEL(silu_backward_f32, SiluArguments, kThreads) { silu_backward<f32>(arguments); }
KERNEL(silu_backward_bf16, SiluArguments, kThreads) { silu_backward<bf16>(arguments); }

#else

FLOAT_KERNELS(silu_kernel, SiluArguments, "silu", "silu", kThreads)
FLOAT_KERNELS(silu_backward_kernel, SiluArguments, "silu", "silu_backward", kThreads)

Status silu(Context& context, Out y, In x) {
  return launch(context, silu_kernel(x.dtype), {ceil_div(x.elements(), kThreads * vector_size(x.dtype))},
                {y.data, x.data, nullptr, x.elements(), aligned({y.data, x.data})});
}

Status silu_backward(Context& context, Out dx, In dy, In x) {
  return launch(context, silu_backward_kernel(x.dtype),
                {ceil_div(x.elements(), kThreads * vector_size(x.dtype))},
                {dx.data, x.data, dy.data, x.elements(), aligned({dx.data, x.data, dy.data})});
}

#endif

}  // namespace transfusion::cuda
