// ema: average += (1 - decay) (values - average), decay = min(max_decay, (1 + n) / (10 + n)) after n updates.
// swap: exchanges two arenas in place, so that a model can have its averaged weights for a while.
#include "kernel.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;
constexpr int kRun = 4;  // f32 in 16 bytes

struct EmaArguments {
  f32* average;
  const i32* updates;
  const f32* values;
  i64 count;
  f32 max_decay;
  bool aligned;
};

struct CountUpdateArguments {
  i32* updates;
};

struct SwapArguments {
  f32 *a, *b;
  i64 count;
  bool aligned;
};

#ifdef __CUDACC__

KERNEL(ema, EmaArguments, kThreads) {
  const double n = *arguments.updates, most = arguments.max_decay;
  const float weight = static_cast<float>(1 - fmin(most, (1 + n) / (10 + n)));
  for_each_vector_in_turn<kThreads, kRun>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    access.store(arguments.average + i,
                 map([&](float average, float value) { return average + weight * (value - average); },
                     access.load(arguments.average + i), access.load(arguments.values + i)));
  });
}

// After all have read how many there were.
KERNEL(count_update, CountUpdateArguments, 1) { ++*arguments.updates; }

KERNEL(swap, SwapArguments, kThreads) {
  for_each_vector<kThreads, kRun>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    const auto a = access.load(arguments.a + i), b = access.load(arguments.b + i);
    access.store(arguments.a + i, b);
    access.store(arguments.b + i, a);
  });
}

#else

constexpr Kernel<EmaArguments> ema_kernel("ema", "ema", kThreads);
constexpr Kernel<CountUpdateArguments> count_update_kernel("ema", "count_update", 1);
constexpr Kernel<SwapArguments> swap_kernel("ema", "swap", kThreads);

Status ema(Context& context, State average, State updates, In values, f32 max_decay) {
  const i64 count = average.elements();
  const Status status =
      launch(context, ema_kernel, {resident_blocks(context, ceil_div(count, kThreads * kRun))},
             {average.as<f32>(), updates.as<i32>(), values.as<f32>(), count, max_decay,
              aligned({average.data, values.data})});
  if (status.failed) return status;
  return launch(context, count_update_kernel, {}, {updates.as<i32>()});
}

Status swap(Context& context, State a, State b) {
  return launch(context, swap_kernel, {ceil_div(a.elements(), kThreads * kRun)},
                {a.as<f32>(), b.as<f32>(), a.elements(), aligned({a.data, b.data})});
}

#endif

}  // namespace transfusion::cuda
