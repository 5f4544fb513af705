// y = x where x >= 0, else slope x.  Backward: dx = dy where y > 0, else slope dy; y tells the sign of x, as
// slope >= 0. A slope of 0 gives 0 whatever it multiplies, infinity and NaN too.
// One thread for a vector. Kept for backward: y, which the next layer keeps anyway.
#include "kernel.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct LeakyReluArguments {
  void* target;  // y, dx in backward
  const void *x, *dy, *y;
  i64 count;
  f32 slope;
  bool aligned;
};

#ifdef __CUDACC__

// `v` where `whole`, else slope v. Selections: branches would split the accesses to memory.
__device__ __forceinline__ float sloped(bool whole, float slope, float v) {
  const float part = slope == 0 ? 0 : slope * v;
  return whole ? v : part;
}

template <class T>
__device__ void leaky_relu(const LeakyReluArguments& arguments) {
  const float slope = arguments.slope;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<T*>(arguments.target) + i,
                 map([=](float x) { return sloped(!(x < 0), slope, x); },
                     access.load(static_cast<const T*>(arguments.x) + i)));
  });
}

KERNEL(leaky_relu_f32, LeakyReluArguments, kThreads) { leaky_relu<f32>(arguments); }
KERNEL(leaky_relu_bf16, LeakyReluArguments, kThreads) { leaky_relu<bf16>(arguments); }

template <class T>
__device__ void leaky_relu_backward(const LeakyReluArguments& arguments) {
  const float slope = arguments.slope;
  const auto gradient = [=](float dy, float y) {
    const float dx = sloped(y > 0, slope, dy);
    return isnan(y) ? y : dx;
  };
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<T*>(arguments.target) + i,
                 map(gradient, access.load(static_cast<const T*>(arguments.dy) + i),
                     access.load(static_cast<const T*>(arguments.y) + i)));
  });
}

KERNEL(leaky_relu_backward_f32, LeakyReluArguments, kThreads) { leaky_relu_backward<f32>(arguments); }
KERNEL(leaky_relu_backward_bf16, LeakyReluArguments, kThreads) { leaky_relu_backward<bf16>(arguments); }

#else

FLOAT_KERNELS(leaky_relu_kernel, LeakyReluArguments, "leaky_relu", "leaky_relu", kThreads)
FLOAT_KERNELS(leaky_relu_backward_kernel, LeakyReluArguments, "leaky_relu", "leaky_relu_backward", kThreads)

Status leaky_relu(Context& context, Out y, In x, f32 slope) {
  return launch(context, leaky_relu_kernel(x.dtype),
                {ceil_div(x.elements(), kThreads * vector_size(x.dtype))},
                {y.data, x.data, nullptr, nullptr, x.elements(), slope, aligned({y.data, x.data})});
}

Status leaky_relu_backward(Context& context, Out dx, In dy, In y, f32 slope) {
  return launch(
      context, leaky_relu_backward_kernel(y.dtype), {ceil_div(y.elements(), kThreads * vector_size(y.dtype))},
      {dx.data, nullptr, dy.data, y.data, y.elements(), slope, aligned({dx.data, dy.data, y.data})});
}

#endif

}  // namespace transfusion::cuda
