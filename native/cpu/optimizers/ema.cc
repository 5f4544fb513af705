// ema: average += (1 - decay) (values - average), decay = min(max_decay, (1 + n) / (10 + n)) after n updates.
// swap: exchanges two arenas in place, so that a model can have its averaged weights for a while. Parallel
// over fixed chunks.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizers/ema.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status Ema(Context&, State average, State updates, In values, f32 max_decay) {
  const double n = (*updates.as<i32>())++;
  const Vec weight = set(static_cast<float>(1 - std::min<double>(max_decay, (1 + n) / (10 + n))));
  parallel_for(average.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
    for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
      float* target = average.as<float>() + begin + i;
      const Vec old = io.load(target);
      io.store(hn::MulAdd(weight, hn::Sub(io.load(values.as<float>() + begin + i), old), old), target);
    });
  });
  return ok();
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Ema);

Status ema(Context& context, State average, State updates, In values, f32 max_decay) {
  return HWY_DYNAMIC_DISPATCH(Ema)(context, average, updates, values, max_decay);
}

Status swap(Context&, State a, State b) {
  parallel_for(a.elements(), row_grain(1), [&](i64 begin, i64 end) {
    std::swap_ranges(a.as<float>() + begin, a.as<float>() + end, b.as<float>() + begin);
  });
  return ok();
}

}  // namespace transfusion::cpu
#endif
