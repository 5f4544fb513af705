// y[t, c] = f(h),  h = n weight[c] + bias[c],  n = (x[t, c] - mean[t]) rstd[t],  f silu or nothing
// mean[t] = mean_c x[t, c],  rstd[t] = 1 / sqrt(mean_c (x[t, c] - mean[t])^2 + eps)
// Backward, with dh = dy f'(h) and g = dh weight:  dx = rstd (g - mean_c(g) - n mean_c(g n)),
// dweight += sum_t dh n,  dbias += sum_t dh.
// Parallel over rows; partial sums of dweight and dbias are joined in order. Kept: mean, rstd.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/layer_norm.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/math.h"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

template <class T>
void LayerNormRow(T* y, float* mean, float* rstd, const T* x, const T* weight, const T* bias, i64 C,
                  float eps, bool silu) {
  const Vec total =
      sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR { return hn::Add(sum, io.load(x + c)); });
  *mean = sum_of(total) / static_cast<float>(C);
  const Vec middle = set(*mean);
  const Vec squares = sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
    const Vec distance = hn::Sub(io.load(x + c, *mean), middle);
    return hn::MulAdd(distance, distance, sum);
  });
  *rstd = 1.0f / std::sqrt(sum_of(squares) / static_cast<float>(C) + eps);
  const Vec factor = set(*rstd);
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = hn::Mul(hn::Sub(io.load(x + c), middle), factor);
    io.store(activate<T>(hn::MulAdd(normal, io.load(weight + c), io.load(bias + c)), silu), y + c);
  });
}

Status LayerNorm(Context&, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    parallel_for(x.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t)
        LayerNormRow(y.as<T>() + t * C, mean.as<float>() + t, rstd.as<float>() + t, x.as<T>() + t * C,
                     weight.as<T>(), bias.as<T>(), C, eps, silu);
    });
    return ok();
  });
}

// sums [2 C]: the row's terms of dweight and dbias are added to it.
template <class T>
void LayerNormRowBackward(T* dx, float* sums, const T* dy, const T* x, const T* weight, const T* bias,
                          float mean, float rstd, i64 C, bool silu) {
  const Vec middle = set(mean), factor = set(rstd);
  Vec total = zero(), products = zero();
  const auto normal_at = [&](i64 c, auto io)
                             HWY_ATTR { return hn::Mul(hn::Sub(io.load(x + c, mean), middle), factor); };
  const auto dh_at = [&](i64 c, Vec normal, auto io) HWY_ATTR {
    const Vec h = hn::MulAdd(normal, io.load(weight + c), io.load(bias + c));
    return activate_backward<T>(io.load(dy + c), h, silu);
  };
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = normal_at(c, io), dh = dh_at(c, normal, io);
    const Vec g = hn::Mul(dh, io.load(weight + c));
    total = hn::Add(total, g);
    products = hn::MulAdd(g, normal, products);
    io.store(hn::MulAdd(dh, normal, io.load(sums + c)), sums + c);
    io.store(hn::Add(dh, io.load(sums + C + c)), sums + C + c);
  });
  const Vec mean_g = set(sum_of(total) / static_cast<float>(C));
  const Vec mean_product = set(sum_of(products) / static_cast<float>(C));
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = normal_at(c, io);
    const Vec g = hn::Mul(dh_at(c, normal, io), io.load(weight + c));
    io.store(hn::Mul(factor, hn::NegMulAdd(normal, mean_product, hn::Sub(g, mean_g))), dx + c);
  });
}

Status LayerNormBackward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                         In mean, In rstd, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    float* sums = context.scratch<float>(2 * C);
    std::fill_n(sums, 2 * C, 0.0f);
    reduce_rows(context, x.rows(), 2 * C, sums, [&](i64 begin, i64 end, float* partial) HWY_ATTR {
      for (i64 t = begin; t < end; ++t)
        LayerNormRowBackward(dx.as<T>() + t * C, partial, dy.as<T>() + t * C, x.as<T>() + t * C,
                             weight.as<T>(), bias.as<T>(), mean.as<float>()[t], rstd.as<float>()[t], C, silu);
    });
    for (i64 c = 0; c < C && dweight.present(); ++c) dweight.as<float>()[c] += sums[c];
    for (i64 c = 0; c < C && dbias.present(); ++c) dbias.as<float>()[c] += sums[C + c];
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(LayerNorm);
HWY_EXPORT(LayerNormBackward);

Status layer_norm(Context& context, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  return HWY_DYNAMIC_DISPATCH(LayerNorm)(context, y, mean, rstd, x, weight, bias, eps, silu);
}

Status layer_norm_backward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                           In mean, In rstd, bool silu) {
  return HWY_DYNAMIC_DISPATCH(LayerNormBackward)(context, dx, dweight, dbias, dy, x, weight, bias, mean, rstd,
                                                 silu);
}

}  // namespace transfusion::cpu
#endif
