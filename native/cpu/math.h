// What activations and losses share: exp, sigmoid, log-sum-exp, on vectors of f32. Include it after simd.h.
#if defined(TRANSFUSION_MATH_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_MATH_H
#undef TRANSFUSION_MATH_H
#else
#define TRANSFUSION_MATH_H
#endif

#include <hwy/contrib/math/math-inl.h>

#include <limits>

#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

HWY_INLINE Vec exp(Vec x) { return hn::Exp(f32_tag, x); }

// 1 / (1 + exp(-x)). Below -88, where exp(-x) would overflow, the result stays at sigmoid(-88), about 6e-39.
HWY_INLINE Vec sigmoid(Vec x) {
  return hn::Div(set(1.0f), hn::Add(set(1.0f), exp(hn::Min(set(88.0f), hn::Neg(x)))));
}

// The derivative of x s with s = sigmoid(x): s (1 + x (1 - s)).
HWY_INLINE Vec silu_slope(Vec x, Vec s) {
  return hn::Mul(s, hn::MulAdd(x, hn::Sub(set(1.0f), s), set(1.0f)));
}

// What a norm may end with: h itself or silu(h), and the gradient of h given that of the result.
HWY_INLINE Vec activate(Vec h, bool silu) { return silu ? hn::Mul(h, sigmoid(h)) : h; }
HWY_INLINE Vec activate_backward(Vec dy, Vec h, bool silu) {
  return silu ? hn::Mul(dy, silu_slope(h, sigmoid(h))) : dy;
}

// largest = max_i x_i, sum = sum_i exp(x_i - largest).
struct RowExponents {
  float largest, sum;
};

template <class T>
RowExponents row_exponents(const T* x, i64 n) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  Vec largest = set(kNone);
  for_each(n, [&](i64 i, auto io) HWY_ATTR { largest = hn::Max(largest, io.load(x + i, kNone)); });
  const Vec peak = set(max_of(largest));
  Vec sum = zero();
  for_each(n,
           [&](i64 i, auto io) HWY_ATTR { sum = hn::Add(sum, exp(hn::Sub(io.load(x + i, kNone), peak))); });
  return {hn::GetLane(peak), sum_of(sum)};
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
