// Arithmetic of integers.
#include <bit>
#include <limits>
#include <type_traits>

#include "machine/families.h"
#include "machine/rows.h"

namespace simulated {

namespace {

using i128 = __int128;
using u128 = unsigned __int128;

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr int kBits = static_cast<int>(sizeof(T) * 8);

// Twice as wide.
template <class T>
struct WideOf;
template <>
struct WideOf<i16> {
  using Type = i32;
};
template <>
struct WideOf<u16> {
  using Type = u32;
};
template <>
struct WideOf<i32> {
  using Type = i64;
};
template <>
struct WideOf<u32> {
  using Type = u64;
};
template <>
struct WideOf<i64> {
  using Type = i128;
};
template <>
struct WideOf<u64> {
  using Type = u128;
};
template <class T>
using Wide = typename WideOf<T>::Type;

template <class T>
T clamp_to(Wide<T> x) {
  const Wide<T> low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  return static_cast<T>(x < low ? low : x > high ? high : x);
}

// Names of functions of lanes: F<T>.
#define LANES1(name, expression) \
  struct name {                  \
    template <class T>           \
    T operator()(T a) const {    \
      return expression;         \
    }                            \
  };
#define LANES2(name, expression)   \
  struct name {                    \
    template <class T>             \
    T operator()(T a, T b) const { \
      return expression;           \
    }                              \
  };

LANES2(Add, static_cast<T>(a + b))
LANES2(Subtract, static_cast<T>(a - b))
LANES2(Multiply, static_cast<T>(static_cast<u64>(a) * static_cast<u64>(b)))
LANES2(MultiplyHigh, static_cast<T>(static_cast<Wide<T>>(a) * b >> kBits<T>))
LANES2(Minimum, a < b ? a : b)
LANES2(Maximum, a > b ? a : b)
LANES1(Negate, static_cast<T>(-static_cast<Unsigned<T>>(a)))
LANES1(Absolute, a < 0 ? static_cast<T>(-static_cast<Unsigned<T>>(a)) : a)
LANES2(AddSaturated, clamp_to<T>(static_cast<Wide<T>>(a) + b))
LANES2(SubtractSaturated, clamp_to<T>(static_cast<Wide<T>>(a) - b))
// What GPUs give for x / 0 and x % 0.
LANES2(Divide, b == 0                                           ? static_cast<T>(~T{0})
               : std::is_signed_v<T> && b == static_cast<T>(-1) ? static_cast<T>(-static_cast<Unsigned<T>>(a))
                                                                : static_cast<T>(a / b))
LANES2(Remainder, b == 0 ? a : std::is_signed_v<T> && b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b))

struct MultiplyWide {
  template <class T>
  Wide<T> operator()(T a, T b) const {
    return static_cast<Wide<T>>(static_cast<Wide<T>>(a) * b);
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(static_cast<u64>(a) * static_cast<u64>(b) + static_cast<u64>(c));
  }
};
struct MultiplyAddHigh {
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(MultiplyHigh()(a, b) + c);
  }
};
struct MultiplyAddWide {
  template <class T>
  Wide<T> operator()(T a, T b, Wide<T> c) const {
    return static_cast<Wide<T>>(static_cast<Unsigned<Wide<T>>>(MultiplyWide()(a, b)) + c);
  }
};
// 24 x 24 bits.
template <class T>
T low24(T a) {
  return static_cast<T>(a << 8) >> 8;
}
struct Multiply24 {
  template <class T>
  T operator()(T a, T b) const {
    return Multiply()(low24(a), low24(b));
  }
};
struct MultiplyAdd24 {
  template <class T>
  T operator()(T a, T b, T c) const {
    return MultiplyAdd()(low24(a), low24(b), c);
  }
};
struct SumOfDifferences {
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(c + (a < b ? b - a : a - b));
  }
};

// Dot product of four bytes each.
template <class A, class B>
struct Dot4 {
  u32 operator()(u32 a, u32 b, u32 c) const {
    for (int k = 0; k < 32; k += 8)
      c += static_cast<u32>(static_cast<A>(a >> k)) * static_cast<u32>(static_cast<B>(b >> k));
    return c;
  }
};

template <class T, class F>
constexpr Handler two = binary<F, T>;
template <class T, class F>
constexpr Handler three = ternary<F, T>;

}  // namespace

Handler decode_integer(Decoding& decoding) {
  static const Rows rows(InstructionClass::integer,
                         {
                             {"add.{s,u}16", two<u16, Add>, {16, 16, 16}},
                             {"add.{s,u}32", two<u32, Add>, {32, 32, 32}},
                             {"add.{s,u}64", two<u64, Add>, {64, 64, 64}},
                             {"add.sat.s32", two<i32, AddSaturated>, {32, 32, 32}},
                             {"sub.{s,u}16", two<u16, Subtract>, {16, 16, 16}},
                             {"sub.{s,u}32", two<u32, Subtract>, {32, 32, 32}},
                             {"sub.{s,u}64", two<u64, Subtract>, {64, 64, 64}},
                             {"sub.sat.s32", two<i32, SubtractSaturated>, {32, 32, 32}},
                             {"mul.lo.{s,u}16", two<u16, Multiply>, {16, 16, 16}},
                             {"mul.lo.{s,u}32", two<u32, Multiply>, {32, 32, 32}},
                             {"mul.lo.{s,u}64", two<u64, Multiply>, {64, 64, 64}},
                             {"mul.hi.s16", two<i16, MultiplyHigh>, {16, 16, 16}},
                             {"mul.hi.u16", two<u16, MultiplyHigh>, {16, 16, 16}},
                             {"mul.hi.s32", two<i32, MultiplyHigh>, {32, 32, 32}},
                             {"mul.hi.u32", two<u32, MultiplyHigh>, {32, 32, 32}},
                             {"mul.hi.s64", two<i64, MultiplyHigh>, {64, 64, 64}},
                             {"mul.hi.u64", two<u64, MultiplyHigh>, {64, 64, 64}},
                             {"mul.wide.s16", binary<MultiplyWide, i32, i16>, {32, 16, 16}},
                             {"mul.wide.u16", binary<MultiplyWide, u32, u16>, {32, 16, 16}},
                             {"mul.wide.s32", binary<MultiplyWide, i64, i32>, {64, 32, 32}},
                             {"mul.wide.u32", binary<MultiplyWide, u64, u32>, {64, 32, 32}},
                             {"mul24.lo.s32", two<i32, Multiply24>, {32, 32, 32}},
                             {"mul24.lo.u32", two<u32, Multiply24>, {32, 32, 32}},
                             {"mad.lo.{s,u}16", three<u16, MultiplyAdd>, {16, 16, 16, 16}},
                             {"mad.lo.{s,u}32", three<u32, MultiplyAdd>, {32, 32, 32, 32}},
                             {"mad.lo.{s,u}64", three<u64, MultiplyAdd>, {64, 64, 64, 64}},
                             {"mad.hi.s32", three<i32, MultiplyAddHigh>, {32, 32, 32, 32}},
                             {"mad.hi.u32", three<u32, MultiplyAddHigh>, {32, 32, 32, 32}},
                             {"mad.hi.s64", three<i64, MultiplyAddHigh>, {64, 64, 64, 64}},
                             {"mad.hi.u64", three<u64, MultiplyAddHigh>, {64, 64, 64, 64}},
                             {"mad.wide.s16", ternary<MultiplyAddWide, i32, i16>, {32, 16, 16, 32}},
                             {"mad.wide.u16", ternary<MultiplyAddWide, u32, u16>, {32, 16, 16, 32}},
                             {"mad.wide.s32", ternary<MultiplyAddWide, i64, i32>, {64, 32, 32, 64}},
                             {"mad.wide.u32", ternary<MultiplyAddWide, u64, u32>, {64, 32, 32, 64}},
                             {"mad24.lo.s32", three<i32, MultiplyAdd24>, {32, 32, 32, 32}},
                             {"mad24.lo.u32", three<u32, MultiplyAdd24>, {32, 32, 32, 32}},
                             {"div.s16", two<i16, Divide>, {16, 16, 16}},
                             {"div.u16", two<u16, Divide>, {16, 16, 16}},
                             {"div.s32", two<i32, Divide>, {32, 32, 32}},
                             {"div.u32", two<u32, Divide>, {32, 32, 32}},
                             {"div.s64", two<i64, Divide>, {64, 64, 64}},
                             {"div.u64", two<u64, Divide>, {64, 64, 64}},
                             {"rem.s16", two<i16, Remainder>, {16, 16, 16}},
                             {"rem.u16", two<u16, Remainder>, {16, 16, 16}},
                             {"rem.s32", two<i32, Remainder>, {32, 32, 32}},
                             {"rem.u32", two<u32, Remainder>, {32, 32, 32}},
                             {"rem.s64", two<i64, Remainder>, {64, 64, 64}},
                             {"rem.u64", two<u64, Remainder>, {64, 64, 64}},
                             {"min.s16", two<i16, Minimum>, {16, 16, 16}},
                             {"min.u16", two<u16, Minimum>, {16, 16, 16}},
                             {"min.s32", two<i32, Minimum>, {32, 32, 32}},
                             {"min.u32", two<u32, Minimum>, {32, 32, 32}},
                             {"min.s64", two<i64, Minimum>, {64, 64, 64}},
                             {"min.u64", two<u64, Minimum>, {64, 64, 64}},
                             {"max.s16", two<i16, Maximum>, {16, 16, 16}},
                             {"max.u16", two<u16, Maximum>, {16, 16, 16}},
                             {"max.s32", two<i32, Maximum>, {32, 32, 32}},
                             {"max.u32", two<u32, Maximum>, {32, 32, 32}},
                             {"max.s64", two<i64, Maximum>, {64, 64, 64}},
                             {"max.u64", two<u64, Maximum>, {64, 64, 64}},
                             {"neg.s16", unary<Negate, i16, i16>, {16, 16}},
                             {"neg.s32", unary<Negate, i32, i32>, {32, 32}},
                             {"neg.s64", unary<Negate, i64, i64>, {64, 64}},
                             {"abs.s16", unary<Absolute, i16, i16>, {16, 16}},
                             {"abs.s32", unary<Absolute, i32, i32>, {32, 32}},
                             {"abs.s64", unary<Absolute, i64, i64>, {64, 64}},
                             {"sad.s32", three<i32, SumOfDifferences>, {32, 32, 32, 32}},
                             {"sad.u32", three<u32, SumOfDifferences>, {32, 32, 32, 32}},
                             {"dp4a.s32.s32", three<u32, Dot4<i8, i8>>, {32, 32, 32, 32}},
                             {"dp4a.s32.u32", three<u32, Dot4<i8, u8>>, {32, 32, 32, 32}},
                             {"dp4a.u32.s32", three<u32, Dot4<u8, i8>>, {32, 32, 32, 32}},
                             {"dp4a.u32.u32", three<u32, Dot4<u8, u8>>, {32, 32, 32, 32}},
                         });
  return rows.decode(decoding);
}

}  // namespace simulated
