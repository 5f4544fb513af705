// y = x where x >= 0, else slope x.  Backward: dx = dy where y > 0, else slope dy; y tells the sign of x, as
// slope >= 0. A slope of 0 gives 0 whatever it multiplies, infinity and NaN too.
// Parallel over elements. Kept for backward: y, which the next layer keeps anyway.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/leaky_relu.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// slope v.
struct Slope {
  float slope;

  HWY_INLINE Vec operator()(Vec v) const { return slope == 0 ? zero() : hn::Mul(v, set(slope)); }
};

Status LeakyRelu(Context&, Out y, In x, f32 slope) {
  const Slope sloped{slope};
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        const Vec v = io.stream(x.as<T>() + begin + i);
        io.store(hn::IfThenElse(hn::Lt(v, zero()), sloped(v), v), y.as<T>() + begin + i);
      });
    });
    return ok();
  });
}

Status LeakyReluBackward(Context&, Out dx, In dy, In y, f32 slope) {
  const Slope sloped{slope};
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(y.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        const Vec v = io.stream(y.as<T>() + begin + i), d = io.stream(dy.as<T>() + begin + i);
        const Vec gradient = hn::IfThenElse(hn::Gt(v, zero()), d, sloped(d));
        io.store(hn::IfThenElse(hn::IsNaN(v), v, gradient), dx.as<T>() + begin + i);
      });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(LeakyRelu);
HWY_EXPORT(LeakyReluBackward);

Status leaky_relu(Context& context, Out y, In x, f32 slope) {
  return HWY_DYNAMIC_DISPATCH(LeakyRelu)(context, y, x, slope);
}

Status leaky_relu_backward(Context& context, Out dx, In dy, In y, f32 slope) {
  return HWY_DYNAMIC_DISPATCH(LeakyReluBackward)(context, dx, dy, y, slope);
}

}  // namespace transfusion::cpu
#endif
