// Arithmetic of floats whose results IEEE 754 defines.
#include <cmath>

#include "machine/families.h"
#include "machine/rounding.h"
#include "machine/rows.h"

namespace simulated {

namespace {

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    return a * b;
  }
};
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    return a / b;
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return std::fma(a, b, c);
  }
};
struct Negate {
  template <class T>
  T operator()(T a) const {
    return -a;
  }
};
struct Absolute {
  template <class T>
  T operator()(T a) const {
    return std::fabs(a);
  }
};
struct SquareRoot {
  template <class T>
  T operator()(T a) const {
    return std::sqrt(a);
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T a) const {
    return T{1} / a;
  }
};
// Where one of two is NaN, the other; -0 is less than 0.
struct Minimum {
  template <class T>
  T operator()(T a, T b) const {
    return a < b || b != b || (a == b && std::signbit(a)) ? a : b;
  }
};
struct Maximum {
  template <class T>
  T operator()(T a, T b) const {
    return a > b || b != b || (a == b && !std::signbit(a)) ? a : b;
  }
};
template <class F>
struct NanStays {
  template <class T>
  T operator()(T a, T b) const {
    return a != a || b != b ? static_cast<T>(NAN) : F()(a, b);
  }
};
struct CopySign {
  template <class T>
  T operator()(T sign, T a) const {
    return std::copysign(a, sign);
  }
};

// .ftz of operands and result.
template <class F>
struct Flushed {
  template <class... T>
  float operator()(T... operands) const {
    return flushed(F()(flushed(operands)...));
  }
};
template <class F>
struct Saturated {
  template <class... T>
  auto operator()(T... operands) const {
    return saturated(F()(operands...));
  }
};

// Directed roundings, by way of doubles: sums and products of floats are exact in them, or so near that no
// float lies between.
template <Rounding kRounding>
struct AddTowards {
  float operator()(float a, float b) const {
    const double x = a, y = b, sum = x + y;
    const double part = sum - x, lost = (x - (sum - part)) + (y - part);
    return rounded<kRounding>(lost == 0 ? sum : std::nextafter(sum, lost > 0 ? INFINITY : -INFINITY));
  }
};
template <Rounding kRounding>
struct MultiplyTowards {
  float operator()(float a, float b) const { return rounded<kRounding>(static_cast<double>(a) * b); }
};
template <Rounding kRounding>
struct MultiplyAddTowards {
  float operator()(float a, float b, float c) const {
    const double product = static_cast<double>(a) * b, y = c, sum = product + y;
    const double part = sum - product, lost = (product - (sum - part)) + (y - part);
    return rounded<kRounding>(lost == 0 ? sum : std::nextafter(sum, lost > 0 ? INFINITY : -INFINITY));
  }
};
template <Rounding kRounding>
struct DivideTowards {
  float operator()(float a, float b) const { return rounded<kRounding>(static_cast<double>(a) / b); }
};

template <class F>
constexpr Handler f1 = unary<F, float, float>;
template <class F>
constexpr Handler f2 = binary<F, float>;
template <class F>
constexpr Handler f3 = ternary<F, float>;
template <class F>
constexpr Handler d1 = unary<F, double, double>;
template <class F>
constexpr Handler d2 = binary<F, double>;
template <class F>
constexpr Handler d3 = ternary<F, double>;

// testp: one bit of each lane.
template <class T, class F>
void test(Warp& w, const Instruction& i, Mask mask) {
  const T* a = w.lanes<T>(i.operand[1]);
  Mask value = 0;
  for (int l = 0; l < kLanes; ++l) value |= static_cast<Mask>(F()(a[l])) << l;
  Mask& target = w.predicates[i.operand[0]];
  target = (target & ~mask) | (value & mask);
}
template <int kClass>
struct IsClass {
  template <class T>
  bool operator()(T a) const {
    return std::fpclassify(a) == kClass;
  }
};
struct IsFinite {
  template <class T>
  bool operator()(T a) const {
    return std::isfinite(a);
  }
};
struct IsNumber {
  template <class T>
  bool operator()(T a) const {
    return a == a;
  }
};

const Rows& single() {
  static const Rows rows(InstructionClass::floating,
                         {
                             {"add{.rn,}.f32", f2<Add>, {32, 32, 32}},
                             {"add{.rn,}.ftz.f32", f2<Flushed<Add>>, {32, 32, 32}},
                             {"add{.rn,}.sat.f32", f2<Saturated<Add>>, {32, 32, 32}},
                             {"add{.rn,}.ftz.sat.f32", f2<Saturated<Flushed<Add>>>, {32, 32, 32}},
                             {"add.rz.f32", f2<AddTowards<Rounding::zero>>, {32, 32, 32}},
                             {"add.rm.f32", f2<AddTowards<Rounding::down>>, {32, 32, 32}},
                             {"add.rp.f32", f2<AddTowards<Rounding::up>>, {32, 32, 32}},
                             {"sub{.rn,}.f32", f2<Subtract>, {32, 32, 32}},
                             {"sub{.rn,}.ftz.f32", f2<Flushed<Subtract>>, {32, 32, 32}},
                             {"sub{.rn,}.sat.f32", f2<Saturated<Subtract>>, {32, 32, 32}},
                             {"mul{.rn,}.f32", f2<Multiply>, {32, 32, 32}},
                             {"mul{.rn,}.ftz.f32", f2<Flushed<Multiply>>, {32, 32, 32}},
                             {"mul{.rn,}.sat.f32", f2<Saturated<Multiply>>, {32, 32, 32}},
                             {"mul{.rn,}.ftz.sat.f32", f2<Saturated<Flushed<Multiply>>>, {32, 32, 32}},
                             {"mul.rz.f32", f2<MultiplyTowards<Rounding::zero>>, {32, 32, 32}},
                             {"mul.rm.f32", f2<MultiplyTowards<Rounding::down>>, {32, 32, 32}},
                             {"mul.rp.f32", f2<MultiplyTowards<Rounding::up>>, {32, 32, 32}},
                             {"fma.rn.f32", f3<MultiplyAdd>, {32, 32, 32, 32}},
                             {"fma.rn.ftz.f32", f3<Flushed<MultiplyAdd>>, {32, 32, 32, 32}},
                             {"fma.rn.sat.f32", f3<Saturated<MultiplyAdd>>, {32, 32, 32, 32}},
                             {"fma.rn.ftz.sat.f32", f3<Saturated<Flushed<MultiplyAdd>>>, {32, 32, 32, 32}},
                             {"fma.rz.f32", f3<MultiplyAddTowards<Rounding::zero>>, {32, 32, 32, 32}},
                             {"fma.rm.f32", f3<MultiplyAddTowards<Rounding::down>>, {32, 32, 32, 32}},
                             {"fma.rp.f32", f3<MultiplyAddTowards<Rounding::up>>, {32, 32, 32, 32}},
                             {"div.{rn,approx,full}.f32", f2<Divide>, {32, 32, 32}},
                             {"div.{rn,approx,full}.ftz.f32", f2<Flushed<Divide>>, {32, 32, 32}},
                             {"div.rz.f32", f2<DivideTowards<Rounding::zero>>, {32, 32, 32}},
                             {"div.rm.f32", f2<DivideTowards<Rounding::down>>, {32, 32, 32}},
                             {"div.rp.f32", f2<DivideTowards<Rounding::up>>, {32, 32, 32}},
                             {"neg.f32", f1<Negate>, {32, 32}},
                             {"neg.ftz.f32", f1<Flushed<Negate>>, {32, 32}},
                             {"abs.f32", f1<Absolute>, {32, 32}},
                             {"abs.ftz.f32", f1<Flushed<Absolute>>, {32, 32}},
                             {"min.f32", f2<Minimum>, {32, 32, 32}},
                             {"min.ftz.f32", f2<Flushed<Minimum>>, {32, 32, 32}},
                             {"min.NaN.f32", f2<NanStays<Minimum>>, {32, 32, 32}},
                             {"max.f32", f2<Maximum>, {32, 32, 32}},
                             {"max.ftz.f32", f2<Flushed<Maximum>>, {32, 32, 32}},
                             {"max.NaN.f32", f2<NanStays<Maximum>>, {32, 32, 32}},
                             {"copysign.f32", f2<CopySign>, {32, 32, 32}},
                             {"sqrt.rn.f32", f1<SquareRoot>, {32, 32}},
                             {"sqrt.rn.ftz.f32", f1<Flushed<SquareRoot>>, {32, 32}},
                             {"rcp.rn.f32", f1<Reciprocal>, {32, 32}},
                             {"rcp.rn.ftz.f32", f1<Flushed<Reciprocal>>, {32, 32}},
                             {"testp.finite.f32", test<float, IsFinite>, {1, 32}},
                             {"testp.infinite.f32", test<float, IsClass<FP_INFINITE>>, {1, 32}},
                             {"testp.number.f32", test<float, IsNumber>, {1, 32}},
                             {"testp.notanumber.f32", test<float, IsClass<FP_NAN>>, {1, 32}},
                             {"testp.normal.f32", test<float, IsClass<FP_NORMAL>>, {1, 32}},
                             {"testp.subnormal.f32", test<float, IsClass<FP_SUBNORMAL>>, {1, 32}},
                         });
  return rows;
}

const Rows& twice() {
  static const Rows rows(InstructionClass::floating,
                         {
                             {"add{.rn,}.f64", d2<Add>, {64, 64, 64}},
                             {"sub{.rn,}.f64", d2<Subtract>, {64, 64, 64}},
                             {"mul{.rn,}.f64", d2<Multiply>, {64, 64, 64}},
                             {"fma.rn.f64", d3<MultiplyAdd>, {64, 64, 64, 64}},
                             {"div.rn.f64", d2<Divide>, {64, 64, 64}},
                             {"neg.f64", d1<Negate>, {64, 64}},
                             {"abs.f64", d1<Absolute>, {64, 64}},
                             {"min.f64", d2<Minimum>, {64, 64, 64}},
                             {"max.f64", d2<Maximum>, {64, 64, 64}},
                             {"copysign.f64", d2<CopySign>, {64, 64, 64}},
                             {"sqrt.rn.f64", d1<SquareRoot>, {64, 64}},
                             {"rcp.rn.f64", d1<Reciprocal>, {64, 64}},
                             {"testp.finite.f64", test<double, IsFinite>, {1, 64}},
                             {"testp.infinite.f64", test<double, IsClass<FP_INFINITE>>, {1, 64}},
                             {"testp.number.f64", test<double, IsNumber>, {1, 64}},
                             {"testp.notanumber.f64", test<double, IsClass<FP_NAN>>, {1, 64}},
                             {"testp.normal.f64", test<double, IsClass<FP_NORMAL>>, {1, 64}},
                             {"testp.subnormal.f64", test<double, IsClass<FP_SUBNORMAL>>, {1, 64}},
                         });
  return rows;
}

}  // namespace

Handler decode_floating(Decoding& decoding) {
  const Handler handler = single().decode(decoding);
  return handler ? handler : twice().decode(decoding);
}

}  // namespace simulated
