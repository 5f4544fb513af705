// y_i = exp(x_i - max x) / sum_j exp(x_j - max x) over the last axis.  Backward: dx = y (dy - sum_j dy_j
// y_j). Parallel over rows. Kept for backward: y.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/softmax.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status Softmax(Context&, Out y, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    parallel_for(x.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* row = x.as<T>() + t * C;
        const RowExponents exponents = row_exponents(row, C);
        const Vec largest = set(exponents.largest), share = set(1.0f / exponents.sum);
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          io.store(hn::Mul(exp_for<T>(hn::Sub(io.load(row + c), largest)), share), y.as<T>() + t * C + c);
        });
      }
    });
    return ok();
  });
}

Status SoftmaxBackward(Context&, Out dx, In dy, In y) {
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = y.dim(-1);
    parallel_for(y.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* shares = y.as<T>() + t * C;
        const T* gradients = dy.as<T>() + t * C;
        const Vec products = sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
          return hn::MulAdd(io.stream(gradients + c), io.stream(shares + c), sum);
        });
        const Vec mean = set(sum_of(products));
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          io.store(hn::Mul(io.load(shares + c), hn::Sub(io.load(gradients + c), mean)),
                   dx.as<T>() + t * C + c);
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

HWY_EXPORT(Softmax);
HWY_EXPORT(SoftmaxBackward);

Status softmax(Context& context, Out y, In x) { return HWY_DYNAMIC_DISPATCH(Softmax)(context, y, x); }

Status softmax_backward(Context& context, Out dx, In dy, In y) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxBackward)(context, dx, dy, y);
}

}  // namespace transfusion::cpu
#endif
