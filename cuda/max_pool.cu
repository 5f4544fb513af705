// y[n, i, j, c] = max_{u, v} x[n, i window + u, j window + v, c] over whole windows, channels last.
// Backward: dx is dy at the first place of the largest value, 0 elsewhere. NaN counts as the largest, of
// several the last, as in PyTorch. One thread for a vector of channels of a window; backward of those too
// that lie in part beyond the image. Kept for backward: x.
#include "divider.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct MaxPoolArguments {
  void* target;  // y, dx in backward
  const void *x, *dy;
  i64 count;                 // channels of all windows
  Divider C, columns, rows;  // of windows
  i64 height, width;         // of x
  i64 window;
  bool vectors;
};

#ifdef __CUDACC__

// The vector of a window's channels that begins with number `place` of all.
struct Window {
  i64 n, i, j, c;

  __device__ __forceinline__ Window(const MaxPoolArguments& arguments, i64 place) : c(place) {
    j = arguments.C.divide(c);
    i = arguments.columns.divide(j);
    n = arguments.rows.divide(i);
  }

  // Its element in row u and column v, in x.
  __device__ __forceinline__ i64 at(const MaxPoolArguments& arguments, i64 u, i64 v) const {
    const i64 row = n * arguments.height + i * arguments.window + u, column = j * arguments.window + v;
    return (row * arguments.width + column) * arguments.C.divisor + c;
  }
};

// Whether a value takes the place of the largest before it. As | and selections: branches would split the
// accesses to memory.
__device__ __forceinline__ bool exceeds(float value, float largest) {
  return (value > largest) | isnan(value);
}

template <class T>
__device__ void max_pool(const MaxPoolArguments& arguments) {
  const T* x = static_cast<const T*>(arguments.x);
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 place, auto access) {
    const Window window(arguments, place);
    auto largest = access.load(x + window.at(arguments, 0, 0));
    for (i64 u = 0; u < arguments.window; ++u)
      for (i64 v = u == 0 ? 1 : 0; v < arguments.window; ++v)
        largest = map([](float most, float value) { return exceeds(value, most) ? value : most; }, largest,
                      access.load(x + window.at(arguments, u, v)));
    access.store(static_cast<T*>(arguments.target) + place, largest);
  });
}

KERNEL(max_pool_f32, MaxPoolArguments, kThreads) { max_pool<f32>(arguments); }
KERNEL(max_pool_bf16, MaxPoolArguments, kThreads) { max_pool<bf16>(arguments); }

template <class T>
__device__ void max_pool_backward(const MaxPoolArguments& arguments) {
  const T* x = static_cast<const T*>(arguments.x);
  T* dx = static_cast<T*>(arguments.target);
  const i64 side = arguments.window, w = arguments.width / side, h = arguments.height / side;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 place, auto access) {
    const Window window(arguments, place);
    if (window.i == h || window.j == w) {
      const i64 rows = min(side, arguments.height - window.i * side),
                columns = min(side, arguments.width - window.j * side);
      for (i64 u = 0; u < rows; ++u)
        for (i64 v = 0; v < columns; ++v) access.store(dx + window.at(arguments, u, v), access.repeat(0));
      return;
    }
    auto largest = access.load(x + window.at(arguments, 0, 0)), chosen = access.repeat(0);
    for (i64 u = 0; u < side; ++u)
      for (i64 v = u == 0 ? 1 : 0; v < side; ++v) {
        const auto values = access.load(x + window.at(arguments, u, v));
        const float number = static_cast<float>(u * side + v);
        chosen =
            map([=](float before, float value, float most) { return exceeds(value, most) ? number : before; },
                chosen, values, largest);
        largest =
            map([](float most, float value) { return exceeds(value, most) ? value : most; }, largest, values);
      }
    const auto dy =
        access.load(static_cast<const T*>(arguments.dy) +
                    (((window.n * h + window.i) * w + window.j) * arguments.C.divisor + window.c));
    for (i64 u = 0; u < side; ++u)
      for (i64 v = 0; v < side; ++v) {
        const float number = static_cast<float>(u * side + v);
        access.store(dx + window.at(arguments, u, v),
                     map([=](float gradient, float of) { return of == number ? gradient : 0; }, dy, chosen));
      }
  });
}

KERNEL(max_pool_backward_f32, MaxPoolArguments, kThreads) { max_pool_backward<f32>(arguments); }
KERNEL(max_pool_backward_bf16, MaxPoolArguments, kThreads) { max_pool_backward<bf16>(arguments); }

#else

FLOAT_KERNELS(max_pool_kernel, MaxPoolArguments, "max_pool", "max_pool", kThreads)
FLOAT_KERNELS(max_pool_backward_kernel, MaxPoolArguments, "max_pool", "max_pool_backward", kThreads)

namespace {

// Over `rows` by `columns` windows of each image of x.
Status launch_windows(Context& context, const Kernel<MaxPoolArguments>& kernel, void* target,
                      const TensorView& x, const void* dy, i64 rows, i64 columns, i64 window) {
  const i64 C = x.dim(3), count = x.dim(0) * rows * columns * C, width = vector_size(x.dtype);
  return launch(context, kernel, {ceil_div(count, kThreads * width)},
                {target, x.data, dy, count, Divider(C, count), Divider(columns, count), Divider(rows, count),
                 x.dim(1), x.dim(2), window, C % width == 0 && aligned({target, x.data, dy})});
}

}  // namespace

Status max_pool(Context& context, Out y, In x, i64 window) {
  return launch_windows(context, max_pool_kernel(x.dtype), y.data, x, nullptr, y.dim(1), y.dim(2), window);
}

Status max_pool_backward(Context& context, Out dx, In dy, In x, i64 window) {
  return launch_windows(context, max_pool_backward_kernel(x.dtype), dx.data, x, dy.data,
                        ceil_div(x.dim(1), window), ceil_div(x.dim(2), window), window);
}

#endif

}  // namespace transfusion::cuda
