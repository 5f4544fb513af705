// y[n, i] = cos(t[n] f_i), y[n, h + i] = sin(t[n] f_i),  f_i = exp(-ln(max_period) i / h),  i < h = C / 2
// rounded down; the last column of an odd C is zero. Parallel over n. No backward: t is not learnt.
#include <cmath>

#include "cpu/cpu.h"
#include "cpu/parallel.h"
#include "cpu/scalar.h"

namespace transfusion::cpu {

namespace {

template <class T>
void embed(T* y, const float* t, const double* frequencies, i64 N, i64 C) {
  const i64 half = C / 2;
  parallel_for(N, 8, [&](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) {
      T* row = y + n * C;
      for (i64 i = 0; i < half; ++i) {
        const double angle = t[n] * frequencies[i];
        store_float(static_cast<float>(std::cos(angle)), row + i);
        store_float(static_cast<float>(std::sin(angle)), row + half + i);
      }
      if (C % 2) store_float(0, row + C - 1);
    }
  });
}

}  // namespace

Status timestep_embedding(Context& context, Out y, In t, f32 max_period) {
  const i64 N = t.dim(0), C = y.dim(-1), half = C / 2;
  for (i64 n = 0; n < N; ++n) {
    const float step = t.as<float>()[n];
    if (!(step >= 0 && std::isfinite(step)))
      return fail("t[%lld] = %g is not a finite number of at least 0", static_cast<long long>(n), step);
  }
  double* frequencies = context.scratch<double>(half);
  const double rate = -std::log(static_cast<double>(max_period)) / static_cast<double>(half);
  for (i64 i = 0; i < half; ++i) frequencies[i] = std::exp(rate * static_cast<double>(i));
  if (y.dtype == DType::f32)
    embed(y.as<float>(), t.as<float>(), frequencies, N, C);
  else
    embed(y.as<bf16>(), t.as<float>(), frequencies, N, C);
  return ok();
}

}  // namespace transfusion::cpu
