// Approximations of the special function units, by functions that are at least as exact.
#include <cmath>

#include "machine/families.h"
#include "machine/rounding.h"
#include "machine/rows.h"

namespace simulated {

namespace {

// .ftz of operand and result.
template <class F, bool kFlush>
struct Approximate {
  float operator()(float a) const { return maybe_flushed<kFlush>(F()(maybe_flushed<kFlush>(a))); }
};

struct Exp2 {
  float operator()(float a) const { return std::exp2(a); }
};
struct Log2 {
  float operator()(float a) const { return std::log2(a); }
};
struct Sine {
  float operator()(float a) const { return std::sin(a); }
};
struct Cosine {
  float operator()(float a) const { return std::cos(a); }
};
struct Tanh {
  float operator()(float a) const { return std::tanh(a); }
};
struct Reciprocal {
  float operator()(float a) const { return 1.0f / a; }
};
struct SquareRoot {
  float operator()(float a) const { return std::sqrt(a); }
};
struct ReciprocalRoot {
  float operator()(float a) const { return static_cast<float>(1 / std::sqrt(static_cast<double>(a))); }
};

// Of the upper half of a double, whose lower half becomes 0.
template <class F>
struct UpperHalf {
  double operator()(double a) const {
    constexpr u64 kUpper = ~u64{0} << 32;
    const double operand = std::bit_cast<double>(std::bit_cast<u64>(a) & kUpper);
    return std::bit_cast<double>(std::bit_cast<u64>(F()(operand)) & kUpper);
  }
};
struct DoubleReciprocal {
  double operator()(double a) const { return 1 / a; }
};
struct DoubleReciprocalRoot {
  double operator()(double a) const { return 1 / std::sqrt(a); }
};

template <class F>
constexpr Handler plain = unary<Approximate<F, false>, float, float>;
template <class F>
constexpr Handler flush = unary<Approximate<F, true>, float, float>;

}  // namespace

Handler decode_special(Decoding& decoding) {
  static const Rows rows(
      InstructionClass::special,
      {
          {"ex2.approx.f32", plain<Exp2>, {32, 32}},
          {"ex2.approx.ftz.f32", flush<Exp2>, {32, 32}},
          {"lg2.approx.f32", plain<Log2>, {32, 32}},
          {"lg2.approx.ftz.f32", flush<Log2>, {32, 32}},
          {"sin.approx.f32", plain<Sine>, {32, 32}},
          {"sin.approx.ftz.f32", flush<Sine>, {32, 32}},
          {"cos.approx.f32", plain<Cosine>, {32, 32}},
          {"cos.approx.ftz.f32", flush<Cosine>, {32, 32}},
          {"tanh.approx.f32", plain<Tanh>, {32, 32}},
          {"rcp.approx.f32", plain<Reciprocal>, {32, 32}},
          {"rcp.approx.ftz.f32", flush<Reciprocal>, {32, 32}},
          {"sqrt.approx.f32", plain<SquareRoot>, {32, 32}},
          {"sqrt.approx.ftz.f32", flush<SquareRoot>, {32, 32}},
          {"rsqrt.approx.f32", plain<ReciprocalRoot>, {32, 32}},
          {"rsqrt.approx.ftz.f32", flush<ReciprocalRoot>, {32, 32}},
          {"rcp.approx.ftz.f64", unary<UpperHalf<DoubleReciprocal>, double, double>, {64, 64}},
          {"rsqrt.approx{.ftz,}.f64", unary<UpperHalf<DoubleReciprocalRoot>, double, double>, {64, 64}},
      });
  return rows.decode(decoding);
}

}  // namespace simulated
