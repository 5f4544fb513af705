// y[t, c] = f(h),  h = n weight[c] + bias[c],  n = (x[t, c] - mean[t]) rstd[t],  f silu or nothing
// mean[t] = mean_c x[t, c],  rstd[t] = 1 / sqrt(mean_c (x[t, c] - mean[t])^2 + eps)
// Backward, with dh = dy f'(h) and g = dh weight:  dx = rstd (g - mean_c(g) - n mean_c(g n)),
// dweight += sum_t dh n,  dbias += sum_t dh.
// Parallel over rows; partial sums of dweight and dbias are joined in order. Kept: mean, rstd.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norms/layer_norm.cc"
#include <hwy/foreach_target.h>

#include <omp.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// A few rows go through each stage together: additions to one row's sum wait for each other, but not for
// another row's.
constexpr i64 kInterleavedRows = 4;

// Calls body(begin, end) for kInterleavedRows rows at a time.
template <class Body>
HWY_INLINE void for_rows(i64 begin, i64 end, const Body& body) {
  for (; begin < end; begin += kInterleavedRows) body(begin, std::min(end, begin + kInterleavedRows));
}

template <class T>
HWY_INLINE void RowMoments(float* mean, float* rstd, const T* x, i64 C, float eps) {
  const Vec total =
      sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR { return hn::Add(sum, io.stream(x + c)); });
  *mean = sum_of(total) / static_cast<float>(C);
  const Vec middle = set(*mean);
  const Vec squares = sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
    const Vec distance = hn::Sub(io.load(x + c, *mean), middle);
    return hn::MulAdd(distance, distance, sum);
  });
  *rstd = 1.0f / std::sqrt(sum_of(squares) / static_cast<float>(C) + eps);
}

template <class T>
HWY_INLINE void NormalizeRow(T* y, float mean, float rstd, const T* x, const T* weight, const T* bias, i64 C,
                             bool silu) {
  const Vec middle = set(mean), factor = set(rstd);
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = hn::Mul(hn::Sub(io.load(x + c), middle), factor);
    io.store(activate<T>(hn::MulAdd(normal, io.load(weight + c), io.load(bias + c)), silu), y + c);
  });
}

Status LayerNorm(Context&, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    float *means = mean.as<float>(), *rstds = rstd.as<float>();
    const auto rows = [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) RowMoments(means + t, rstds + t, x.as<T>() + t * C, C, eps);
      for (i64 t = begin; t < end; ++t)
        NormalizeRow(y.as<T>() + t * C, means[t], rstds[t], x.as<T>() + t * C, weight.as<T>(), bias.as<T>(),
                     C, silu);
    };
    parallel_for(x.rows(), row_grain(C), [&](i64 begin, i64 end) HWY_ATTR { for_rows(begin, end, rows); });
    return ok();
  });
}

// mean_c(g) and mean_c(g n) of a row.
struct Means {
  float g, product;
};

// g [C] of a row; its terms of dweight and dbias are added to sums [2 C].
template <class T>
HWY_INLINE Means RowGradients(float* g, float* sums, const T* dy, const T* x, const T* weight, const T* bias,
                              float mean, float rstd, i64 C, bool silu) {
  const Vec middle = set(mean), factor = set(rstd);
  Vec total = zero(), products = zero();
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = hn::Mul(hn::Sub(io.stream(x + c, mean), middle), factor), w = io.load(weight + c);
    const Vec dh = activate_backward<T>(io.stream(dy + c), hn::MulAdd(normal, w, io.load(bias + c)), silu);
    const Vec gradient = hn::Mul(dh, w);
    total = hn::Add(total, gradient);
    products = hn::MulAdd(gradient, normal, products);
    io.store(gradient, g + c);
    io.store(hn::MulAdd(dh, normal, io.load(sums + c)), sums + c);
    io.store(hn::Add(dh, io.load(sums + C + c)), sums + C + c);
  });
  return {sum_of(total) / static_cast<float>(C), sum_of(products) / static_cast<float>(C)};
}

template <class T>
HWY_INLINE void RowBackward(T* dx, const float* g, Means means, const T* x, float mean, float rstd, i64 C) {
  const Vec middle = set(mean), factor = set(rstd), mean_g = set(means.g), mean_product = set(means.product);
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec normal = hn::Mul(hn::Sub(io.load(x + c), middle), factor);
    io.store(hn::Mul(factor, hn::NegMulAdd(normal, mean_product, hn::Sub(io.load(g + c), mean_g))), dx + c);
  });
}

Status LayerNormBackward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                         In mean, In rstd, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    const float *means = mean.as<float>(), *rstds = rstd.as<float>();
    float* sums = context.scratch<float>(2 * C);
    float* gradients = context.scratch<float>(omp_get_max_threads() * kInterleavedRows * C);
    std::fill_n(sums, 2 * C, 0.0f);
    reduce_rows(context, x.rows(), 2 * C, sums, [&](i64 begin, i64 end, float* partial) HWY_ATTR {
      float* g = gradients + omp_get_thread_num() * kInterleavedRows * C;
      for_rows(begin, end, [&](i64 first, i64 last) HWY_ATTR {
        Means of_rows[kInterleavedRows];
        for (i64 t = first; t < last; ++t)
          of_rows[t - first] =
              RowGradients(g + (t - first) * C, partial, dy.as<T>() + t * C, x.as<T>() + t * C,
                           weight.as<T>(), bias.as<T>(), means[t], rstds[t], C, silu);
        for (i64 t = first; t < last; ++t)
          RowBackward(dx.as<T>() + t * C, g + (t - first) * C, of_rows[t - first], x.as<T>() + t * C,
                      means[t], rstds[t], C);
      });
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
