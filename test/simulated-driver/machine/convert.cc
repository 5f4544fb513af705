// cvt: between the types of numbers. The usual ones are vectors over lanes, all others go by a value that
// holds any of them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "machine/families.h"
#include "machine/rounding.h"
#include "machine/rows.h"

namespace simulated {

namespace {

template <class T>
struct To {
  template <class A>
  T operator()(A a) const {
    return static_cast<T>(a);
  }
};
struct ToBf16 {
  u16 operator()(float a) const { return to_bf16(a); }
};
struct PackBf16 {
  u32 operator()(float high, float low) const { return static_cast<u32>(to_bf16(high)) << 16 | to_bf16(low); }
};
struct PackF16 {
  u32 operator()(float high, float low) const { return static_cast<u32>(to_f16(high)) << 16 | to_f16(low); }
};
struct Nearest {
  template <class A>
  A operator()(A a) const {
    return std::nearbyint(a);
  }
};
struct Floor {
  template <class A>
  A operator()(A a) const {
    return std::floor(a);
  }
};
struct Ceiling {
  template <class A>
  A operator()(A a) const {
    return std::ceil(a);
  }
};
struct Truncate {
  template <class A>
  A operator()(A a) const {
    return std::trunc(a);
  }
};
struct Saturate {
  float operator()(float a) const { return saturated(a); }
};
// Out of range: the nearest integer there is; NaN: 0.
template <class F, class T>
struct ToInteger {
  template <class A>
  T operator()(A a) const {
    constexpr int kBits = static_cast<int>(sizeof(T) * 8);
    constexpr A kLow = std::is_signed_v<T> ? -static_cast<A>(u64{1} << (kBits - 1)) : A{0};
    constexpr A kHigh = static_cast<A>(u64{1} << (kBits - 1)) * (std::is_signed_v<T> ? 1 : 2);
    const A x = F()(a);
    const bool fits = x >= kLow && x < kHigh;
    const T limit = x < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
    return fits ? static_cast<T>(x) : x != x ? T{0} : limit;
  }
};

enum class Type : u8 { s8, u8, s16, u16, s32, u32, s64, u64, f16, bf16, f32, f64, kCount };
constexpr const char* kTypes[] = {"s8",  "u8",  "s16", "u16",  "s32", "u32",
                                  "s64", "u64", "f16", "bf16", "f32", "f64"};

// Instruction::immediate of a conversion of the general kind.
struct Conversion {
  Type to, from;
  u8 to_register, from_register;  // bits
  Rounding rounding;
  bool to_integer;  // of floats: .rni, .rzi ..
  bool flush, saturate;
};
static_assert(sizeof(Conversion) == sizeof(Instruction::immediate));

bool is_float(Type type) { return type >= Type::f16; }
bool is_signed(Type type) { return !is_float(type) && static_cast<int>(type) % 2 == 0; }

i64 sign_extended(u64 bits, Type type) {
  const int shift = 64 - static_cast<int>(type_bits(kTypes[static_cast<int>(type)]));
  return is_signed(type) ? static_cast<i64>(bits << shift) >> shift
                         : static_cast<i64>(bits << shift >> shift);
}

double float_value(u64 bits, Type type, bool flush) {
  switch (type) {
    case Type::f16:
      return from_f16(static_cast<u16>(bits));
    case Type::bf16:
      return from_bf16(static_cast<u16>(bits));
    case Type::f32: {
      const float x = float_of(static_cast<u32>(bits));
      return flush ? flushed(x) : x;
    }
    default:
      return std::bit_cast<double>(bits);
  }
}

template <class T>
T whole(T x, Rounding rounding) {
  switch (rounding) {
    case Rounding::zero:
      return std::trunc(x);
    case Rounding::down:
      return std::floor(x);
    case Rounding::up:
      return std::ceil(x);
    default:
      return std::nearbyint(x);
  }
}

template <class Exact>
float to_float(Exact x, Rounding rounding) {
  switch (rounding) {
    case Rounding::zero:
      return rounded<Rounding::zero, Exact>(x);
    case Rounding::down:
      return rounded<Rounding::down, Exact>(x);
    case Rounding::up:
      return rounded<Rounding::up, Exact>(x);
    default:
      return static_cast<float>(x);
  }
}

// long double holds every i64, u64 and double.
u64 float_bits(long double x, const Conversion& c) {
  if (c.saturate) x = saturated(x);
  if (c.to == Type::f64) return std::bit_cast<u64>(static_cast<double>(x));
  float single = to_float(x, c.rounding);
  if (c.flush) single = flushed(single);
  if (c.to == Type::f32) return bits_of(single);
  if (c.to == Type::f16) return to_f16(single);
  return c.rounding == Rounding::zero ? to_bf16_toward_zero(single) : to_bf16(single);
}

u64 integer_bits(long double x, Type type) {
  if (x != x) return 0;
  const int bits = static_cast<int>(type_bits(kTypes[static_cast<int>(type)]));
  const long double low = is_signed(type) ? -std::ldexp(1.0L, bits - 1) : 0;
  const long double high = std::ldexp(1.0L, is_signed(type) ? bits - 1 : bits) - 1;
  x = std::clamp(x, low, high);
  return x < 0 ? static_cast<u64>(static_cast<i64>(x)) : static_cast<u64>(x);
}

u64 converted(u64 bits, const Conversion& c) {
  if (is_float(c.from)) {
    const double value = float_value(bits, c.from, c.flush);
    const long double x = c.to_integer ? whole(value, c.rounding) : value;
    return is_float(c.to) ? float_bits(x, c) : integer_bits(x, c.to);
  }
  const i64 value = sign_extended(bits, c.from);
  const long double x =
      is_signed(c.from) ? static_cast<long double>(value) : static_cast<long double>(static_cast<u64>(value));
  if (is_float(c.to)) return float_bits(x, c);
  const u64 result = c.saturate ? integer_bits(x, c.to) : static_cast<u64>(value);
  return static_cast<u64>(sign_extended(result, c.to));
}

void convert(Warp& w, const Instruction& i, Mask mask) {
  const auto c = std::bit_cast<Conversion>(i.immediate);
  for_each_lane(mask, [&](int lane) {
    u64 bits = 0;
    std::memcpy(&bits, w.registers + i.operand[1] + lane * (c.from_register / 8), c.from_register / 8);
    bits = converted(bits, c);
    std::memcpy(w.registers + i.operand[0] + lane * (c.to_register / 8), &bits, c.to_register / 8);
  });
}

bool find_type(std::string_view name, Type& type) {
  for (int t = 0; t < static_cast<int>(Type::kCount); ++t)
    if (name == kTypes[t]) {
      type = static_cast<Type>(t);
      return true;
    }
  return false;
}

Handler decode_general(Decoding& decoding) {
  const auto& words = decoding.opcode.words;
  Conversion c{};
  if (words.size() < 3 || !find_type(words[words.size() - 2], c.to) || !find_type(words.back(), c.from) ||
      decoding.size() != 2)
    return nullptr;
  for (size_t k = 1; k + 2 < words.size(); ++k) {
    const std::string_view word = words[k];
    constexpr const char* kRoundings[] = {"rn", "rz", "rm", "rp"};
    bool known = word == "ftz" || word == "sat";
    for (int r = 0; r < 4; ++r)
      if (word.substr(0, 2) == kRoundings[r] && (word.size() == 2 || word.substr(2) == "i")) {
        c.rounding = static_cast<Rounding>(r);
        c.to_integer = word.size() == 3;
        known = true;
      }
    c.flush |= word == "ftz";
    c.saturate |= word == "sat";
    if (!known) return nullptr;
  }
  Instruction& i = decoding.instruction;
  i.klass = InstructionClass::conversion;
  c.to_register = static_cast<u8>(std::max(decoding.bits(0), 16u));
  c.from_register = static_cast<u8>(decoding.bits(1) ? decoding.bits(1) : 64);
  i.operand[0] = decoding.target(0, c.to_register);
  i.operand[1] = decoding.reg(1, c.from_register);
  i.immediate = std::bit_cast<i64>(c);
  return convert;
}

// Whether registers have just the bits of the types of the opcode; they may have more.
bool is_exact(const Decoding& decoding) {
  const auto& words = decoding.opcode.words;
  if (words.size() < 3) return false;
  const u32 to = type_bits(words[words.size() - 2]), from = type_bits(words.back());
  for (size_t i = 0; i < decoding.size(); ++i)
    if (const u32 bits = decoding.bits(i); bits && bits != (i == 0 ? to : from)) return false;
  return true;
}

}  // namespace

Handler decode_convert(Decoding& decoding) {
  static const Rows rows(InstructionClass::conversion,
                         {
                             {"cvt.{s,u}64.s32", unary<To<i64>, i64, i32>, {64, 32}},
                             {"cvt.{s,u}64.u32", unary<To<u64>, u64, u32>, {64, 32}},
                             {"cvt.{s,u}32.{s,u}64", unary<To<u32>, u32, u64>, {32, 64}},
                             {"cvt.{s,u}16.{s,u}32", unary<To<u16>, u16, u32>, {16, 32}},
                             {"cvt.{s,u}32.u16", unary<To<u32>, u32, u16>, {32, 16}},
                             {"cvt.{s,u}32.s16", unary<To<i32>, i32, i16>, {32, 16}},
                             {"cvt.{s,u}64.u16", unary<To<u64>, u64, u16>, {64, 16}},
                             {"cvt.rn.f32.s32", unary<To<float>, float, i32>, {32, 32}},
                             {"cvt.rn.f32.u32", unary<To<float>, float, u32>, {32, 32}},
                             {"cvt.rn.f32.f64", unary<To<float>, float, double>, {32, 64}},
                             {"cvt.f64.f32", unary<To<double>, double, float>, {64, 32}},
                             {"cvt.rzi.s32.f32", unary<ToInteger<Truncate, i32>, i32, float>, {32, 32}},
                             {"cvt.rni.s32.f32", unary<ToInteger<Nearest, i32>, i32, float>, {32, 32}},
                             {"cvt.rmi.s32.f32", unary<ToInteger<Floor, i32>, i32, float>, {32, 32}},
                             {"cvt.rzi.u32.f32", unary<ToInteger<Truncate, u32>, u32, float>, {32, 32}},
                             {"cvt.rni.u64.f32", unary<ToInteger<Nearest, u64>, u64, float>, {64, 32}},
                             {"cvt.sat.f32.f32", unary<Saturate, float, float>, {32, 32}},
                             {"cvt.rzi.s64.f32", unary<ToInteger<Truncate, i64>, i64, float>, {64, 32}},
                             {"cvt.rzi.u64.f32", unary<ToInteger<Truncate, u64>, u64, float>, {64, 32}},
                             {"cvt.rzi.s64.f64", unary<ToInteger<Truncate, i64>, i64, double>, {64, 64}},
                             {"cvt.rzi.u64.f64", unary<ToInteger<Truncate, u64>, u64, double>, {64, 64}},
                             {"cvt.rn.f32.u64", unary<To<float>, float, u64>, {32, 64}},
                             {"cvt.rn.f32.s64", unary<To<float>, float, i64>, {32, 64}},
                             {"cvt.rn.f64.s32", unary<To<double>, double, i32>, {64, 32}},
                             {"cvt.rn.f64.u64", unary<To<double>, double, u64>, {64, 64}},
                             {"cvt.rn.f64.s64", unary<To<double>, double, i64>, {64, 64}},
                             {"cvt.rni.f32.f32", unary<Nearest, float, float>, {32, 32}},
                             {"cvt.rzi.f32.f32", unary<Truncate, float, float>, {32, 32}},
                             {"cvt.rmi.f32.f32", unary<Floor, float, float>, {32, 32}},
                             {"cvt.rpi.f32.f32", unary<Ceiling, float, float>, {32, 32}},
                             {"cvt.rn.bf16.f32", unary<ToBf16, u16, float>, {16, 32}},
                             {"cvt.rn.bf16x2.f32", binary<PackBf16, u32, float>, {32, 32, 32}},
                             {"cvt.rn.f16x2.f32", binary<PackF16, u32, float>, {32, 32, 32}},
                         });
  const Handler handler = is_exact(decoding) ? rows.decode(decoding) : nullptr;
  return handler ? handler : decode_general(decoding);
}

}  // namespace simulated
