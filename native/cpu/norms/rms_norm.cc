// y[t, c] = x[t, c] rstd[t] weight[c],  rstd[t] = 1 / sqrt(mean_c x[t, c]^2 + eps)
// Backward, with n = x rstd and g = dy weight:  dx = rstd (g - n mean_c(g n)),  dweight += sum_t dy n.
// Parallel over rows; dweight's partial sums are joined in order. Kept: rstd.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norms/rms_norm.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

template <class T>
void NormRow(T* y, float* rstd, const T* x, const T* weight, i64 C, float eps) {
  const Vec squares = sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
    const Vec v = io.stream(x + c);
    return hn::MulAdd(v, v, sum);
  });
  *rstd = 1.0f / std::sqrt(sum_of(squares) / static_cast<float>(C) + eps);
  const Vec factor = set(*rstd);
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    io.store(hn::Mul(hn::Mul(io.load(x + c), factor), io.load(weight + c)), y + c);
  });
}

Status RmsNorm(Context&, Out y, Out rstd, In x, In weight, f32 eps) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    parallel_for(x.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t)
        NormRow(y.as<T>() + t * C, rstd.as<float>() + t, x.as<T>() + t * C, weight.as<T>(), C, eps);
    });
    return ok();
  });
}

template <class T>
void NormRowBackward(T* dx, float* dweight, const T* dy, const T* x, const T* weight, float rstd, i64 C) {
  const Vec factor = set(rstd);
  const Vec products = sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
    const Vec gradient = io.stream(dy + c), normal = hn::Mul(io.stream(x + c), factor);
    const Vec share = hn::Mul(gradient, normal);
    if (dweight) io.store(hn::Add(io.load(dweight + c), share), dweight + c);
    return hn::MulAdd(share, io.load(weight + c), sum);
  });
  const Vec mean = set(sum_of(products) / static_cast<float>(C));
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = hn::Mul(io.load(x + c), factor);
    const Vec g = hn::Mul(io.load(dy + c), io.load(weight + c));
    io.store(hn::Mul(factor, hn::NegMulAdd(normal, mean, g)), dx + c);
  });
}

Status RmsNormBackward(Context& context, Out dx, Acc dweight, In dy, In x, In weight, In rstd) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    const auto rows = [&](i64 begin, i64 end, float* partial) HWY_ATTR {
      for (i64 t = begin; t < end; ++t)
        NormRowBackward(dx.as<T>() + t * C, partial, dy.as<T>() + t * C, x.as<T>() + t * C, weight.as<T>(),
                        rstd.as<float>()[t], C);
    };
    if (dweight.present())
      reduce_rows(context, x.rows(), C, dweight.as<float>(), rows);
    else
      parallel_for(x.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR { rows(begin, end, nullptr); });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(RmsNormBackward);

Status rms_norm(Context& context, Out y, Out rstd, In x, In weight, f32 eps) {
  return HWY_DYNAMIC_DISPATCH(RmsNorm)(context, y, rstd, x, weight, eps);
}

Status rms_norm_backward(Context& context, Out dx, Acc dweight, In dy, In x, In weight, In rstd) {
  return HWY_DYNAMIC_DISPATCH(RmsNormBackward)(context, dx, dweight, dy, x, weight, rstd);
}

}  // namespace transfusion::cpu
#endif
