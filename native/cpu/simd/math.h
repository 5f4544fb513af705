// Functions that activations, attention and losses share: exp, 2^x, sigmoid, log-sum-exp, on vectors of f32.
// Include it after simd.h.
#if defined(TRANSFUSION_MATH_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_MATH_H
#undef TRANSFUSION_MATH_H
#else
#define TRANSFUSION_MATH_H
#endif

#include <limits>
#include <numbers>
#include <type_traits>

#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// x + 1.5 * 2^23 + 127 is rounded to a whole number, which is then in the sum's lowest bits: the first step
// of 2^x = 2^n 2^f with n = round(x), for |x| < 2^22. Shifted, the bits of n + 127 are the float 2^n.
struct RoundedExponent {
  Vec sum;

  static HWY_INLINE Vec shift() { return set(0x1.8p23f + 127); }
  HWY_INLINE Vec n() const { return hn::Sub(sum, shift()); }
  HWY_INLINE Vec power() const { return hn::BitCast(f32_tag, hn::ShiftLeft<23>(hn::BitCast(U32(), sum))); }
};

// y, or 0 where x < least; a NaN in x is not below.
HWY_INLINE Vec zero_below(float least, Vec x, Vec y) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // One mask that zeroes as y is computed; Not(Lt) would be two instructions.
  return Vec{_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.raw, set(least).raw, _CMP_NLT_UQ), y.raw)};
#else
  return hn::IfThenZeroElse(hn::Lt(x, set(least)), y);
#endif
}

// e^x for x of at most 88; 0 below -87, where floats lose precision. As hn::Exp, good to 2 units in the last
// place, in two thirds of its instructions.
HWY_INLINE Vec exp(Vec x) {
  const RoundedExponent exponent{hn::MulAdd(x, set(std::numbers::log2e_v<float>), RoundedExponent::shift())};
  const Vec n = exponent.n();
  // ln 2 in two parts, of which the first times n is exact.
  const Vec r = hn::NegMulAdd(n, set(1.42860677e-6f), hn::NegMulAdd(n, set(0.693145752f), x));
  const Vec square = hn::Mul(r, r);
  const Vec low = hn::MulAdd(square, hn::MulAdd(r, set(0.00833336077f), set(0.0416664854f)),
                             hn::MulAdd(r, set(0.166666672f), set(0.5f)));
  const Vec high = hn::MulAdd(r, set(0.000198527618f), set(0.00139304355f));
  const Vec rest = hn::MulAdd(hn::Mul(square, square), high, low);
  const Vec y = hn::Add(hn::MulAdd(rest, square, r), set(1.0f));
  return zero_below(-87.0f, x, hn::Mul(y, exponent.power()));
}

// As exp, to 3e-6; e^0 is 1.
HWY_INLINE Vec exp_for_bf16(Vec x) {
  const Vec log2_e = set(std::numbers::log2e_v<float>);
  const RoundedExponent exponent{hn::MulAdd(x, log2_e, RoundedExponent::shift())};
  const Vec f = hn::MulSub(x, log2_e, exponent.n());
  // 2^f, the best polynomial of its degree that is 1 at 0.
  Vec y = hn::MulAdd(f, set(9.58285574e-3f), set(5.59064299e-2f));
  y = hn::MulAdd(y, f, set(0.240240991f));
  y = hn::MulAdd(y, f, set(0.693124175f));
  y = hn::MulAdd(y, f, set(1.0f));
  return zero_below(-87.0f, x, hn::Mul(y, exponent.power()));
}

// Good enough for values that were, or will be, rounded to T.
template <class T>
HWY_INLINE Vec exp_for(Vec x) {
  if constexpr (std::is_same_v<T, bf16>) return exp_for_bf16(x);
  return exp(x);
}

// 2^x for x of at most 127; 0 below -125. The polynomial is the best of its degree with 2^0 = 1: good to 1e-7
// before its own rounding.
HWY_INLINE Vec exp2(Vec x) {
  const RoundedExponent exponent{hn::Add(x, RoundedExponent::shift())};
  const Vec f = hn::Sub(x, exponent.n());
  Vec y = set(1.326462625e-3f);
  y = hn::MulAdd(y, f, set(9.671504140e-3f));
  y = hn::MulAdd(y, f, set(5.550733912e-2f));
  y = hn::MulAdd(y, f, set(2.402224223e-1f));
  y = hn::MulAdd(y, f, set(6.931469776e-1f));
  y = hn::MulAdd(y, f, set(1.0f));
  return zero_below(-125.0f, x, hn::Mul(y, exponent.power()));
}

// 1 / (1 + exp(-x)); 0 below -88.4, where exp(-x) is infinite in its exponent.
HWY_INLINE Vec sigmoid(Vec x) {
  return hn::Div(set(1.0f), hn::Add(set(1.0f), exp(hn::Min(set(89.0f), hn::Neg(x)))));
}

// As sigmoid, to 2e-4: rounding to bf16 alone costs up to 4e-3.
HWY_INLINE Vec sigmoid_for_bf16(Vec x) {
  // A NaN comes out of Min and Max where it is the second operand. 2^128 is infinite.
  const Vec scaled = hn::Mul(x, set(-std::numbers::log2e_v<float>));
  const Vec t = hn::Min(set(128.0f), hn::Max(set(-126.0f), scaled));
  const RoundedExponent exponent{hn::Add(t, RoundedExponent::shift())};
  const Vec f = hn::Sub(t, exponent.n());
  // 2^f, the best polynomial of its degree.
  Vec y = hn::MulAdd(f, set(0.05517167f), set(0.24261112f));
  y = hn::MulAdd(y, f, set(0.69326099f));
  y = hn::MulAdd(y, f, set(0.99992807f));
  const Vec d = hn::MulAdd(y, exponent.power(), set(1.0f));
  const Vec near = hn::ApproximateReciprocal(d);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return near;  // to 2^-14
#else
  // Of infinity, and of what is near it, the refined reciprocal is no number.
  return zero_below(-87.0f, x, hn::Mul(near, hn::NegMulAdd(d, near, set(2.0f))));
#endif
}

// Good enough for results that are rounded to T.
template <class T>
HWY_INLINE Vec sigmoid_for(Vec x) {
  if constexpr (std::is_same_v<T, bf16>) return sigmoid_for_bf16(x);
  return sigmoid(x);
}

// The derivative of x s with s = sigmoid(x): s (1 + x (1 - s)).
HWY_INLINE Vec silu_slope(Vec x, Vec s) {
  return hn::Mul(s, hn::MulAdd(x, hn::Sub(set(1.0f), s), set(1.0f)));
}

// The activation that a norm may end with: h itself or silu(h), and the gradient of h given that of the
// result.
template <class T>
HWY_INLINE Vec activate(Vec h, bool silu) {
  return silu ? hn::Mul(h, sigmoid_for<T>(h)) : h;
}
template <class T>
HWY_INLINE Vec activate_backward(Vec dy, Vec h, bool silu) {
  return silu ? hn::Mul(dy, silu_slope(h, sigmoid_for<T>(h))) : dy;
}

// largest = max_i x_i, sum = sum_i exp(x_i - largest).
struct RowExponents {
  float largest, sum;
};

template <class T>
RowExponents row_exponents(const T* x, i64 n) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const Vec largest = fold_each(
      n, set(kNone),
      [&](Vec most, i64 i, auto io) HWY_ATTR { return hn::Max(most, io.stream(x + i, kNone)); },
      [](Vec a, Vec b) HWY_ATTR { return hn::Max(a, b); });
  const Vec peak = set(max_of(largest));
  const Vec total = sum_each(n, [&](Vec sum, i64 i, auto io) HWY_ATTR {
    return hn::Add(sum, exp_for<T>(hn::Sub(io.load(x + i, kNone), peak)));
  });
  return {hn::GetLane(peak), sum_of(total)};
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
