// y = x s(x), s(x) = 1 / (1 + exp(-x)).  Backward: dx = dy s(x) (1 + x (1 - s(x))).
// Parallel over elements. Kept for backward: x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/silu.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status Silu(Context&, Out y, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        const Vec v = io.stream(x.as<T>() + begin + i);
        io.store(hn::Mul(v, sigmoid_for<T>(v)), y.as<T>() + begin + i);
      });
    });
    return ok();
  });
}

Status SiluBackward(Context&, Out dx, In dy, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        const Vec v = io.stream(x.as<T>() + begin + i);
        io.store(hn::Mul(io.stream(dy.as<T>() + begin + i), silu_slope(v, sigmoid_for<T>(v))),
                 dx.as<T>() + begin + i);
      });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Silu);
HWY_EXPORT(SiluBackward);

Status silu(Context& context, Out y, In x) { return HWY_DYNAMIC_DISPATCH(Silu)(context, y, x); }

Status silu_backward(Context& context, Out dx, In dy, In x) {
  return HWY_DYNAMIC_DISPATCH(SiluBackward)(context, dx, dy, x);
}

}  // namespace transfusion::cpu
#endif
