// y[n, i] = cos(t[n] f_i), y[n, h + i] = sin(t[n] f_i),  f_i = exp(-ln(max_period) i / h),  i < h = C / 2
// rounded down; the last column of an odd C is zero. Parallel over n. No backward: t is not learnt.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/diffusion/timestep_embedding.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/cos_sin.h"
#include "cpu/simd/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status TimestepEmbedding(Context& context, Out y, In t, f32 max_period) {
  const i64 N = t.dim(0), C = y.dim(-1), half = C / 2;
  double* turns = context.scratch<double>(half);  // of a circle, in a unit of time
  const double rate = -std::log(static_cast<double>(max_period)) / static_cast<double>(half);
  for (i64 i = 0; i < half; ++i) turns[i] = std::exp(rate * static_cast<double>(i)) / kTwoPi;
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(N, 8, [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 n = begin; n < end; ++n) {
        T* row = y.as<T>() + n * C;
        const double time = t.as<float>()[n];
        CosSinOfTurns(row, row + half, half, [&](i64 i) HWY_ATTR { return time * turns[i]; });
        if (C % 2) store_float(0, row + C - 1);
      }
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(TimestepEmbedding);

Status timestep_embedding(Context& context, Out y, In t, f32 max_period) {
  for (i64 n = 0; n < t.dim(0); ++n) {
    const float step = t.as<float>()[n];
    if (!(step >= 0 && std::isfinite(step)))
      return fail("t[%lld] must be finite and at least 0, received %g", static_cast<long long>(n), step);
  }
  return HWY_DYNAMIC_DISPATCH(TimestepEmbedding)(context, y, t, max_period);
}

}  // namespace transfusion::cpu
#endif
