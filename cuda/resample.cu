// Channels last, with factor = the larger image's height / the smaller one's:
// upsample_nearest: y[n, i, j, c] = scale x[n, i / factor, j / factor, c].
// sum_pool: y[n, i, j, c] = scale sum_{u, v} x[n, i factor + u, j factor + v, c]. Each is the other's
// backward. One thread for a vector of y.
#include "divider.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include <algorithm>

#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct ResampleArguments {
  void* y;
  const void* x;
  i64 count;
  i64 x_width;       // in pixels
  Divider C, width;  // width: of y, in pixels
  Divider factor;
  f32 scale;
  bool vectors;
};

#ifdef __CUDACC__

template <class T>
__device__ void upsample_nearest(const ResampleArguments& arguments) {
  const float scale = arguments.scale;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 i, auto access) {
    i64 c = i;
    i64 column = arguments.C.divide(c);
    i64 row = arguments.width.divide(column);
    // Quotients; images are whole blocks of rows.
    column = arguments.factor.divide(column);
    row = arguments.factor.divide(row);
    const T* x =
        static_cast<const T*>(arguments.x) + (row * arguments.x_width + column) * arguments.C.divisor + c;
    access.store(static_cast<T*>(arguments.y) + i,
                 map([=](float value) { return scale * value; }, access.load(x)));
  });
}

KERNEL(upsample_nearest_f32, ResampleArguments, kThreads) { upsample_nearest<f32>(arguments); }
KERNEL(upsample_nearest_bf16, ResampleArguments, kThreads) { upsample_nearest<bf16>(arguments); }

template <class T>
__device__ void sum_pool(const ResampleArguments& arguments) {
  const i64 C = arguments.C.divisor, factor = arguments.factor.divisor;
  const float scale = arguments.scale;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 i, auto access) {
    i64 c = i;
    i64 column = arguments.C.divide(c);
    const i64 row = arguments.width.divide(column);
    const T* block =
        static_cast<const T*>(arguments.x) + (row * factor * arguments.x_width + column * factor) * C + c;
    auto sums = access.repeat(0);
    for (i64 u = 0; u < factor; ++u)
      for (i64 v = 0; v < factor; ++v)
        sums = map([](float a, float b) { return a + b; }, sums,
                   access.load(block + (u * arguments.x_width + v) * C));
    access.store(static_cast<T*>(arguments.y) + i, map([=](float sum) { return scale * sum; }, sums));
  });
}

KERNEL(sum_pool_f32, ResampleArguments, kThreads) { sum_pool<f32>(arguments); }
KERNEL(sum_pool_bf16, ResampleArguments, kThreads) { sum_pool<bf16>(arguments); }

#else

FLOAT_KERNELS(upsample_nearest_kernel, ResampleArguments, "resample", "upsample_nearest", kThreads)
FLOAT_KERNELS(sum_pool_kernel, ResampleArguments, "resample", "sum_pool", kThreads)

namespace {

Status launch_resample(Context& context, const Kernel<ResampleArguments>& kernel, const TensorView& y,
                       const TensorView& x, f32 scale) {
  const i64 count = y.elements(), C = y.dim(3), width = vector_size(y.dtype);
  const i64 factor = std::max(y.dim(2), x.dim(2)) / std::max<i64>(1, std::min(y.dim(2), x.dim(2)));
  return launch(context, kernel, {ceil_div(count, kThreads * width)},
                {y.data, x.data, count, x.dim(2), Divider(C, count), Divider(y.dim(2), count),
                 Divider(factor, count), scale, C % width == 0 && aligned({y.data, x.data})});
}

}  // namespace

Status upsample_nearest(Context& context, Out y, In x, f32 scale) {
  return launch_resample(context, upsample_nearest_kernel(x.dtype), y, x, scale);
}

Status sum_pool(Context& context, Out y, In x, f32 scale) {
  return launch_resample(context, sum_pool_kernel(x.dtype), y, x, scale);
}

#endif

}  // namespace transfusion::cuda
