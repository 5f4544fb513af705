// y[n, i] = cos(t[n] f_i), y[n, h + i] = sin(t[n] f_i),  f_i = exp(-ln(max_period) i / h),  i < h = C / 2
// rounded down; the last column of an odd C is zero. One thread for each n and i. No backward: t is not
// learnt.
#include "divider.h"
#ifdef __CUDACC__
#include "device/convert.cuh"
#include "device/cos_sin.cuh"
#include "device/failure.cuh"
#else
#include <bit>
#include <cmath>

#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct TimestepEmbeddingArguments {
  void* y;
  const float* t;
  i64 count, C;
  Divider columns;  // h, and one more for an odd C
  double rate;      // -ln(max_period) / h
  Failures failures;
};

#ifdef __CUDACC__

template <class T>
__device__ void timestep_embedding(const TimestepEmbeddingArguments& arguments) {
  i64 i = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= arguments.count) return;
  const i64 n = arguments.columns.divide(i), half = arguments.C / 2;
  const float t = arguments.t[n];
  const bool valid = t >= 0 && t < INFINITY;
  if (!valid && i == 0) report_failure(arguments.failures, 0, n, __float_as_int(t));
  T* row = static_cast<T*>(arguments.y) + n * arguments.C;
  if (i == half) {
    row[2 * half] = from_float<T>(valid ? 0 : NAN);
    return;
  }
  const CosSin of_angle = valid
                              ? cos_sin_of_turns(t * (exp(arguments.rate * static_cast<double>(i)) / kTwoPi))
                              : CosSin{NAN, NAN};
  row[i] = from_float<T>(of_angle.cosine);
  row[half + i] = from_float<T>(of_angle.sine);
}

KERNEL(timestep_embedding_f32, TimestepEmbeddingArguments, kThreads) { timestep_embedding<f32>(arguments); }
KERNEL(timestep_embedding_bf16, TimestepEmbeddingArguments, kThreads) { timestep_embedding<bf16>(arguments); }

#else

FLOAT_KERNELS(timestep_embedding_kernel, TimestepEmbeddingArguments, "timestep_embedding",
              "timestep_embedding", kThreads)

Status timestep_embedding(Context& context, Out y, In t, f32 max_period) {
  const i64 C = y.dim(-1), half = C / 2, columns = half + C % 2, count = t.dim(0) * columns;
  const double rate = -std::log(static_cast<double>(max_period)) / static_cast<double>(half);
  const Failures failures = expect_failures(context, [](const FailureRecord& record) {
    return fail("t[%lld] must be finite and at least 0, received %g", static_cast<long long>(record.index()),
                static_cast<double>(std::bit_cast<float>(record.value())));
  });
  return launch(context, timestep_embedding_kernel(y.dtype), {ceil_div(count, kThreads)},
                {y.data, t.as<float>(), count, C, Divider(columns, count), rate, failures});
}

#endif

}  // namespace transfusion::cuda
