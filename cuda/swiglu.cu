// y[t, f] = silu(gate) up, gate = x[t, f], up = x[t, F + f], silu(g) = g s(g), s(g) = 1 / (1 + exp(-g)).
// Backward:  dgate = dy up s (1 + gate (1 - s)),  dup = dy silu(gate).
// One thread for a vector of y, the two of x and, in backward, the two of dx. Kept for backward: x.
#include "divider.h"
#ifdef __CUDACC__
#include "device/activation.cuh"
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct SwigluArguments {
  void* y;  // dx in backward
  const void *x, *dy;
  i64 count;  // of y's elements
  Divider F;
  bool vectors;
};

#ifdef __CUDACC__

// Where in x the gate of an element of y lies.
__device__ __forceinline__ i64 gate_of(const SwigluArguments& arguments, i64 i) {
  i64 column = i;
  return i + arguments.F.divide(column) * arguments.F.divisor;
}

template <class T>
__device__ void swiglu(const SwigluArguments& arguments) {
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 i, auto access) {
    const T* gates = static_cast<const T*>(arguments.x) + gate_of(arguments, i);
    access.store(static_cast<T*>(arguments.y) + i,
                 map([](float gate, float up) { return gate * sigmoid_for<T>(gate) * up; },
                     access.load(gates), access.load(gates + arguments.F.divisor)));
  });
}

KERNEL(swiglu_f32, SwigluArguments, kThreads) { swiglu<f32>(arguments); }
KERNEL(swiglu_bf16, SwigluArguments, kThreads) { swiglu<bf16>(arguments); }

template <class T>
__device__ void swiglu_backward(const SwigluArguments& arguments) {
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 i, auto access) {
    const i64 place = gate_of(arguments, i), F = arguments.F.divisor;
    const auto gates = access.load(static_cast<const T*>(arguments.x) + place);
    const auto ups = access.load(static_cast<const T*>(arguments.x) + place + F);
    const auto dys = access.load(static_cast<const T*>(arguments.dy) + i);
    const auto sigmoids = map([](float gate) { return sigmoid_for<T>(gate); }, gates);
    T* dx = static_cast<T*>(arguments.y) + place;
    access.store(
        dx, map([](float dy, float gate, float up, float s) { return dy * up * silu_slope(gate, s); }, dys,
                gates, ups, sigmoids));
    access.store(dx + F,
                 map([](float dy, float gate, float s) { return dy * (gate * s); }, dys, gates, sigmoids));
  });
}

KERNEL(swiglu_backward_f32, SwigluArguments, kThreads) { swiglu_backward<f32>(arguments); }
KERNEL(swiglu_backward_bf16, SwigluArguments, kThreads) { swiglu_backward<bf16>(arguments); }

#else

FLOAT_KERNELS(swiglu_kernel, SwigluArguments, "swiglu", "swiglu", kThreads)
FLOAT_KERNELS(swiglu_backward_kernel, SwigluArguments, "swiglu", "swiglu_backward", kThreads)

namespace {

Status launch_swiglu(Context& context, const Kernel<SwigluArguments>& kernel, const TensorView& y,
                     const In& x, const void* dy, i64 count) {
  const i64 F = x.dim(-1) / 2;
  const int width = vector_size(x.dtype);
  return launch(
      context, kernel, {ceil_div(count, kThreads * width)},
      {y.data, x.data, dy, count, Divider(F, count), F % width == 0 && aligned({y.data, x.data, dy})});
}

}  // namespace

Status swiglu(Context& context, Out y, In x) {
  return launch_swiglu(context, swiglu_kernel(x.dtype), y, x, nullptr, y.elements());
}

Status swiglu_backward(Context& context, Out dx, In dy, In x) {
  return launch_swiglu(context, swiglu_backward_kernel(x.dtype), dx, x, dy.data, dy.elements());
}

#endif

}  // namespace transfusion::cuda
