// y = a + b, y = a b (broadcast), y = factor x, y = value, y += x, y = x in another dtype.
// One thread for a vector of the output.
#include "kernel.h"
#include "strided_index.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#include "quantize.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct FillArguments {
  void* y;
  i64 count;
  f32 value;
  bool aligned;
};

struct MapArguments {
  void* y;
  const void* x;
  i64 count;
  f32 factor;
  bool aligned;
};

struct CombineArguments {
  void* y;
  const void *a, *b;
  i64 count;
  BroadcastIndex<2> index;
};

#ifdef __CUDACC__

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Multiply {
  __device__ float operator()(float a, float b) const { return a * b; }
};

template <class T>
__device__ void fill(const FillArguments& arguments) {
  const float value = arguments.value;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<T*>(arguments.y) + i, access.repeat(value));
  });
}

KERNEL(fill_f32, FillArguments, kThreads) { fill<f32>(arguments); }
KERNEL(fill_bf16, FillArguments, kThreads) { fill<bf16>(arguments); }
KERNEL(fill_i32, FillArguments, kThreads) { fill<i32>(arguments); }

// y = f(x), element by element.
template <class Y, class X, class F>
__device__ void map_elements(const MapArguments& arguments, F f) {
  for_each_vector<kThreads, kVectorSize<Y, X>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(static_cast<Y*>(arguments.y) + i,
                 map(f, access.load(static_cast<const X*>(arguments.x) + i)));
  });
}

template <class T>
__device__ void scale(const MapArguments& arguments) {
  map_elements<T, T>(arguments, [factor = arguments.factor](float x) { return factor * x; });
}

KERNEL(scale_f32, MapArguments, kThreads) { scale<f32>(arguments); }
KERNEL(scale_bf16, MapArguments, kThreads) { scale<bf16>(arguments); }

template <class Y, class X>
__device__ void cast(const MapArguments& arguments) {
  map_elements<Y, X>(arguments, [](float x) { return x; });
}

KERNEL(cast_f32_bf16, MapArguments, kThreads) { cast<f32, bf16>(arguments); }
KERNEL(cast_f32_i32, MapArguments, kThreads) { cast<f32, i32>(arguments); }
KERNEL(cast_bf16_f32, MapArguments, kThreads) { cast<bf16, f32>(arguments); }
KERNEL(cast_bf16_i32, MapArguments, kThreads) { cast<bf16, i32>(arguments); }

template <class Y, class X>
__device__ void accumulate(const MapArguments& arguments) {
  for_each_vector<kThreads, kVectorSize<Y, X>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    Y* y = static_cast<Y*>(arguments.y) + i;
    access.store(y, map(Add(), access.load(y), access.load(static_cast<const X*>(arguments.x) + i)));
  });
}

KERNEL(accumulate_f32_f32, MapArguments, kThreads) { accumulate<f32, f32>(arguments); }
KERNEL(accumulate_f32_bf16, MapArguments, kThreads) { accumulate<f32, bf16>(arguments); }
KERNEL(accumulate_bf16_f32, MapArguments, kThreads) { accumulate<bf16, f32>(arguments); }
KERNEL(accumulate_bf16_bf16, MapArguments, kThreads) { accumulate<bf16, bf16>(arguments); }

template <class Y, class T, class Op>
__device__ void combine(const CombineArguments& arguments, Op op) {
  const BroadcastIndex<2>& index = arguments.index;
  for_each_vector<kThreads, kVectorSize<Y, T>>(arguments.count, index.vectors, [&](i64 i, auto access) {
    i64 offsets[2];
    index.offsets(i, offsets);
    const auto load = [&](const void* input, int n) {
      const T* source = static_cast<const T*>(input) + offsets[n];
      return index.repeats(n) ? access.repeat(to_float(*source)) : access.load(source);
    };
    access.store(static_cast<Y*>(arguments.y) + i, map(op, load(arguments.a, 0), load(arguments.b, 1)));
  });
}

KERNEL(add_f32_f32, CombineArguments, kThreads) { combine<f32, f32>(arguments, Add()); }
KERNEL(add_f32_bf16, CombineArguments, kThreads) { combine<f32, bf16>(arguments, Add()); }
KERNEL(add_bf16_f32, CombineArguments, kThreads) { combine<bf16, f32>(arguments, Add()); }
KERNEL(add_bf16_bf16, CombineArguments, kThreads) { combine<bf16, bf16>(arguments, Add()); }
KERNEL(mul_f32_f32, CombineArguments, kThreads) { combine<f32, f32>(arguments, Multiply()); }
KERNEL(mul_f32_bf16, CombineArguments, kThreads) { combine<f32, bf16>(arguments, Multiply()); }
KERNEL(mul_bf16_f32, CombineArguments, kThreads) { combine<bf16, f32>(arguments, Multiply()); }
KERNEL(mul_bf16_bf16, CombineArguments, kThreads) { combine<bf16, bf16>(arguments, Multiply()); }

#else

FLOAT_KERNELS(fill_kernel, FillArguments, "elementwise", "fill", kThreads)
constexpr Kernel<FillArguments> fill_i32("elementwise", "fill_i32", kThreads);
FLOAT_KERNELS(scale_kernel, MapArguments, "elementwise", "scale", kThreads)
constexpr Kernel<MapArguments> cast_f32_bf16("elementwise", "cast_f32_bf16", kThreads);
constexpr Kernel<MapArguments> cast_f32_i32("elementwise", "cast_f32_i32", kThreads);
constexpr Kernel<MapArguments> cast_bf16_f32("elementwise", "cast_bf16_f32", kThreads);
constexpr Kernel<MapArguments> cast_bf16_i32("elementwise", "cast_bf16_i32", kThreads);
FLOAT_PAIR_KERNELS(accumulate_kernel, MapArguments, "elementwise", "accumulate", kThreads)
FLOAT_PAIR_KERNELS(add_kernel, CombineArguments, "elementwise", "add", kThreads)
FLOAT_PAIR_KERNELS(mul_kernel, CombineArguments, "elementwise", "mul", kThreads)

namespace {

Grid grid_of(const TensorView& y, const TensorView& x) {
  return {ceil_div(y.elements(), kThreads * vector_size(y.dtype, x.dtype))};
}

Status launch_map(Context& context, const Kernel<MapArguments>& kernel, const TensorView& y,
                  const TensorView& x, f32 factor = 1) {
  return launch(context, kernel, grid_of(y, x),
                {y.data, x.data, y.elements(), factor, aligned({y.data, x.data})});
}

Status launch_combine(Context& context, const Kernel<CombineArguments>& kernel, const Out& y, const In& a,
                      const In& b) {
  return launch(context, kernel, grid_of(y, a),
                {y.data, a.data, b.data, y.elements(), {y, {&a, &b}, vector_size(y.dtype, a.dtype)}});
}

}  // namespace

Status fill(Context& context, Out y, f32 value) {
  return launch(context, y.dtype == DType::i32 ? fill_i32 : fill_kernel(y.dtype), grid_of(y, y),
                {y.data, y.elements(), value, aligned({y.data})});
}

Status zero(Context& context, Part y) {
  Out whole;
  static_cast<TensorView&>(whole) = y;
  return fill(context, whole, 0);
}

Status cast(Context& context, OutAny y, InAny x) {
  if (x.dtype == y.dtype) return copy(context, y.data, x.data, x.bytes());
  if (is_blocks(x.dtype)) return dequantize(context, y, x);
  if (is_blocks(y.dtype)) return quantize(context, y, x);
  const auto& to_f32 = x.dtype == DType::i32 ? cast_f32_i32 : cast_f32_bf16;
  const auto& to_bf16 = x.dtype == DType::i32 ? cast_bf16_i32 : cast_bf16_f32;
  return launch_map(context, y.dtype == DType::bf16 ? to_bf16 : to_f32, y, x);
}

Status scale(Context& context, Out y, In x, f32 factor) {
  return launch_map(context, scale_kernel(y.dtype), y, x, factor);
}

Status accumulate(Context& context, InOut y, In x) {
  return launch_map(context, accumulate_kernel(y.dtype, x.dtype), y, x);
}

Status add(Context& context, Out y, In a, In b) {
  return launch_combine(context, add_kernel(y.dtype, a.dtype), y, a, b);
}

Status mul(Context& context, Out y, In a, In b) {
  return launch_combine(context, mul_kernel(y.dtype, a.dtype), y, a, b);
}

#endif

}  // namespace transfusion::cuda
