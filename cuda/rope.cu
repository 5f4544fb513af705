// angle[t, i] = positions[t, axes[i]] frequencies[i], table = cos, then sin of it.  For a head x of q or k:
//   y_i = x_i cos_i - x_{i + D/2} sin_i,  y_{i + D/2} = x_{i + D/2} cos_i + x_i sin_i   (i < D/2; v is
//   copied)
// Backward is the rotation by -angle. One thread for a vector of each half of a head. Kept for backward: the
// table.
#include "divider.h"
#ifdef __CUDACC__
#include "device/cos_sin.cuh"
#include "device/failure.cuh"
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct RopeTableArguments {
  float* table;
  const float *positions, *frequencies;
  const i32* axes;
  i64 count, A;  // count: of pairs of all tokens
  Divider half;
  Failures failures;
};

struct SplitRopeArguments {
  void *q, *k, *v, *qkv;
  const float* table;
  i64 count;  // of pairs
  i64 H, G;
  Divider half, heads;
  bool vectors;
};

#ifdef __CUDACC__

KERNEL(rope_table, RopeTableArguments, kThreads) {
  const i64 pair = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (pair >= arguments.count) return;
  i64 i = pair;
  const i64 token = arguments.half.divide(i), half = arguments.half.divisor;
  const i32 axis = arguments.axes[i];
  CosSin of_angle = {NAN, NAN};
  if (axis >= 0 && axis < arguments.A)
    of_angle = cos_sin_of_turns(static_cast<double>(arguments.positions[token * arguments.A + axis]) *
                                arguments.frequencies[i] / kTwoPi);
  else if (token == 0)
    report_failure(arguments.failures, 0, i, axis);
  float* row = arguments.table + token * 2 * half;
  row[i] = of_angle.cosine;
  row[half + i] = of_angle.sine;
}

// From qkv to q, k and v, rotated by the angles, or back.
template <class T, bool kBackward>
__device__ void split_rope(const SplitRopeArguments& arguments) {
  const i64 half = arguments.half.divisor, H = arguments.H, G = arguments.G;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.vectors, [&](i64 pair, auto access) {
    i64 i = pair;
    i64 head = arguments.half.divide(i);
    const i64 row = head, token = arguments.heads.divide(head);
    T* whole = static_cast<T*>(arguments.qkv) + row * 2 * half + i;
    T* part = head < H       ? static_cast<T*>(arguments.q) + (token * H + head) * 2 * half + i
              : head < H + G ? static_cast<T*>(arguments.k) + (token * G + head - H) * 2 * half + i
                             : static_cast<T*>(arguments.v) + (token * G + head - H - G) * 2 * half + i;
    const T* x = kBackward ? part : whole;
    T* y = kBackward ? whole : part;
    const auto first = access.load(x), second = access.load(x + half);
    if (head >= H + G) {
      access.store(y, first);
      access.store(y + half, second);
      return;
    }
    const float* angles = arguments.table + token * 2 * half + i;
    const auto cosines = access.load(angles);
    const auto sines = map([](float sine) { return kBackward ? -sine : sine; }, access.load(angles + half));
    access.store(y, map([](float a, float b, float cosine, float sine) { return a * cosine - b * sine; },
                        first, second, cosines, sines));
    access.store(y + half,
                 map([](float a, float b, float cosine, float sine) { return b * cosine + a * sine; }, first,
                     second, cosines, sines));
  });
}

KERNEL(split_rope_f32, SplitRopeArguments, kThreads) { split_rope<f32, false>(arguments); }
KERNEL(split_rope_bf16, SplitRopeArguments, kThreads) { split_rope<bf16, false>(arguments); }
KERNEL(split_rope_backward_f32, SplitRopeArguments, kThreads) { split_rope<f32, true>(arguments); }
KERNEL(split_rope_backward_bf16, SplitRopeArguments, kThreads) { split_rope<bf16, true>(arguments); }

#else

constexpr Kernel<RopeTableArguments> rope_table_kernel("rope", "rope_table", kThreads);
FLOAT_KERNELS(split_rope_kernel, SplitRopeArguments, "rope", "split_rope", kThreads)
FLOAT_KERNELS(split_rope_backward_kernel, SplitRopeArguments, "rope", "split_rope_backward", kThreads)

Status rope_table(Context& context, Out table, In positions, In frequencies, In axes) {
  const i64 half = frequencies.dim(0), count = positions.dim(0) * half, A = positions.dim(1);
  const Failures failures = expect_failures(context, [A](const FailureRecord& record) {
    return fail("axes[%lld] must be in 0..%lld, received %d", static_cast<long long>(record.index()),
                static_cast<long long>(A - 1), record.value());
  });
  return launch(context, rope_table_kernel, {ceil_div(count, kThreads)},
                {table.as<float>(), positions.as<float>(), frequencies.as<float>(), axes.as<i32>(), count, A,
                 Divider(half, count), failures});
}

namespace {

Status launch_split(Context& context, const Kernel<SplitRopeArguments>& kernel, const TensorView& q,
                    const TensorView& k, const TensorView& v, const TensorView& qkv, const In& table) {
  const i64 H = q.dim(1), G = k.dim(1), half = qkv.dim(2) / 2, count = qkv.elements() / 2;
  const int width = vector_size(qkv.dtype);
  const bool vectors = half % width == 0 && aligned({q.data, k.data, v.data, qkv.data, table.data});
  return launch(context, kernel, {ceil_div(count, kThreads * width)},
                {q.data, k.data, v.data, qkv.data, table.as<float>(), count, H, G, Divider(half, count),
                 Divider(H + 2 * G, count), vectors});
}

}  // namespace

Status split_rope(Context& context, Out q, Out k, Out v, In qkv, In table) {
  return launch_split(context, split_rope_kernel(qkv.dtype), q, k, v, qkv, table);
}

Status split_rope_backward(Context& context, Out dqkv, In dq, In dk, In dv, In table) {
  return launch_split(context, split_rope_backward_kernel(dqkv.dtype), dq, dk, dv, dqkv, table);
}

#endif

}  // namespace transfusion::cuda
