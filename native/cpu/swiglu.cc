// y[t, f] = silu(gate) up, gate = x[t, f], up = x[t, F + f], silu(g) = g s(g), s(g) = 1 / (1 + exp(-g)).
// Backward:  dgate = dy up s (1 + gate (1 - s)),  dup = dy silu(gate).
// Parallel over rows. Kept for backward: x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/swiglu.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status Swiglu(Context&, Out y, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 F = y.dim(-1);
    parallel_for(y.rows(), row_grain(F), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* gates = x.as<T>() + t * 2 * F;
        const T* ups = gates + F;
        for_each(F, [&](i64 f, auto io) HWY_ATTR {
          const Vec gate = io.stream(gates + f);
          io.store(hn::Mul(hn::Mul(gate, sigmoid_for<T>(gate)), io.stream(ups + f)), y.as<T>() + t * F + f);
        });
      }
    });
    return ok();
  });
}

Status SwigluBackward(Context&, Out dx, In dy, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 F = dy.dim(-1);
    parallel_for(dy.rows(), row_grain(F), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* gates = x.as<T>() + t * 2 * F;
        const T* ups = gates + F;
        T* dgates = dx.as<T>() + t * 2 * F;
        T* dups = dgates + F;
        for_each(F, [&](i64 f, auto io) HWY_ATTR {
          const Vec gate = io.stream(gates + f), s = sigmoid_for<T>(gate),
                    gradient = io.stream(dy.as<T>() + t * F + f);
          io.store(hn::Mul(hn::Mul(gradient, io.stream(ups + f)), silu_slope(gate, s)), dgates + f);
          io.store(hn::Mul(gradient, hn::Mul(gate, s)), dups + f);
        });
      }
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Swiglu);
HWY_EXPORT(SwigluBackward);

Status swiglu(Context& context, Out y, In x) { return HWY_DYNAMIC_DISPATCH(Swiglu)(context, y, x); }

Status swiglu_backward(Context& context, Out dx, In dy, In x) {
  return HWY_DYNAMIC_DISPATCH(SwigluBackward)(context, dx, dy, x);
}

}  // namespace transfusion::cpu
#endif
