// Comparisons, which write predicates, and what chooses by them.
#include <string_view>

#include "machine/families.h"
#include "machine/rounding.h"
#include "machine/rows.h"

namespace simulated {

namespace {

struct Equal {
  template <class T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct Less {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessOrEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct GreaterOrEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct Ordered {
  template <class T>
  bool operator()(T a, T b) const {
    return a == a && b == b;
  }
};
// The opposite, which is true where an operand is NaN.
template <class F>
struct Unless {
  template <class T>
  bool operator()(T a, T b) const {
    return !F()(a, b);
  }
};
// != of floats, false where an operand is NaN.
struct OrderedUnequal {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b || a > b;
  }
};
struct UnorderedEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return !(a < b || a > b);
  }
};

template <bool kFlush, class T>
T read(T x) {
  return x;
}
template <>
float read<true, float>(float x) {
  return flushed(x);
}

template <class F, class T, bool kFlush>
Mask compare_lanes(Warp& w, const Instruction& i) {
  const T *a = w.lanes<T>(i.operand[2]), *b = w.lanes<T>(i.operand[3]);
  Mask result = 0;
  for (int l = 0; l < kLanes; ++l)
    result |= static_cast<Mask>(F()(read<kFlush>(a[l]), read<kFlush>(b[l]))) << l;
  return result;
}

enum Combination : u8 { kNone, kAnd, kOr, kXor };
// Instruction::variant: a Combination, and whether its predicate is negated.
constexpr u8 kNegated = 4;

// setp p|q, a, b, c: p = (a OP b) COMBINED c, q = !(a OP b) COMBINED c.
void write_predicates(Warp& w, const Instruction& i, Mask mask, Mask compared) {
  Mask other = ~compared;
  if (i.variant) {
    const Mask third = w.predicates[i.operand[4]] ^ (i.variant & kNegated ? kAllLanes : 0);
    const auto combine = [&](Mask a) {
      const int combination = i.variant & 3;
      return combination == kAnd ? a & third : combination == kOr ? a | third : a ^ third;
    };
    compared = combine(compared);
    other = combine(other);
  }
  Mask &p = w.predicates[i.operand[0]], &q = w.predicates[i.operand[1]];
  q = (q & ~mask) | (other & mask);
  p = (p & ~mask) | (compared & mask);
}

template <class F, class T, bool kFlush>
void set_predicate(Warp& w, const Instruction& i, Mask mask) {
  write_predicates(w, i, mask, compare_lanes<F, T, kFlush>(w, i));
}

template <class T, bool kFlush>
Handler integer_comparison(std::string_view name) {
  if (name == "eq") return set_predicate<Equal, T, kFlush>;
  if (name == "ne") return set_predicate<Unless<Equal>, T, kFlush>;
  if (name == "lt" || name == "lo") return set_predicate<Less, T, kFlush>;
  if (name == "le" || name == "ls") return set_predicate<LessOrEqual, T, kFlush>;
  if (name == "gt" || name == "hi") return set_predicate<Greater, T, kFlush>;
  if (name == "ge" || name == "hs") return set_predicate<GreaterOrEqual, T, kFlush>;
  return nullptr;
}

template <class T, bool kFlush>
Handler float_comparison(std::string_view name) {
  if (name == "ne") return set_predicate<OrderedUnequal, T, kFlush>;
  if (name == "equ") return set_predicate<UnorderedEqual, T, kFlush>;
  if (name == "neu") return set_predicate<Unless<Equal>, T, kFlush>;
  if (name == "ltu") return set_predicate<Unless<GreaterOrEqual>, T, kFlush>;
  if (name == "leu") return set_predicate<Unless<Greater>, T, kFlush>;
  if (name == "gtu") return set_predicate<Unless<LessOrEqual>, T, kFlush>;
  if (name == "geu") return set_predicate<Unless<Less>, T, kFlush>;
  if (name == "num") return set_predicate<Ordered, T, kFlush>;
  if (name == "nan") return set_predicate<Unless<Ordered>, T, kFlush>;
  return integer_comparison<T, kFlush>(name);
}

Handler comparison(std::string_view name, std::string_view type, bool flush) {
  if (type == "s16") return integer_comparison<i16, false>(name);
  if (type == "u16" || type == "b16") return integer_comparison<u16, false>(name);
  if (type == "s32") return integer_comparison<i32, false>(name);
  if (type == "u32" || type == "b32") return integer_comparison<u32, false>(name);
  if (type == "s64") return integer_comparison<i64, false>(name);
  if (type == "u64" || type == "b64") return integer_comparison<u64, false>(name);
  if (type == "f32")
    return flush ? float_comparison<float, true>(name) : float_comparison<float, false>(name);
  if (type == "f64") return float_comparison<double, false>(name);
  return nullptr;
}

Handler decode_setp(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  const Opcode& opcode = decoding.opcode;
  const std::string_view type = opcode.last();
  i.variant = opcode[2] == "and" ? kAnd : opcode[2] == "or" ? kOr : opcode[2] == "xor" ? kXor : kNone;
  i.operand[0] = decoding.predicate(0);
  i.operand[1] = decoding.second_predicate(0);
  i.operand[2] = decoding.reg(1, type_bits(type));
  i.operand[3] = decoding.reg(2, type_bits(type));
  if (i.variant) {
    i.operand[4] = decoding.predicate(3);
    if (decoding.is_negated(3)) i.variant |= kNegated;
  }
  return comparison(opcode[1], type, opcode.has("ftz"));
}

template <class T>
void select(Warp& w, const Instruction& i, Mask mask) {
  const T *a = w.lanes<T>(i.operand[1]), *b = w.lanes<T>(i.operand[2]);
  const Mask chosen = w.predicates[i.operand[3]];
  assign(w.lanes<T>(i.operand[0]), mask, [&](int l) { return chosen >> l & 1 ? a[l] : b[l]; });
}

template <class S>
struct SelectBySign {
  template <class T>
  T operator()(T a, T b, S sign) const {
    return sign >= 0 ? a : b;
  }
};

}  // namespace

Handler decode_compare(Decoding& decoding) {
  if (decoding.opcode[0] == "setp") return decode_setp(decoding);
  static const Rows rows(
      InstructionClass::integer,
      {
          {"selp.{b,s,u,f}16", select<u16>, {16, 16, 16, 1}},
          {"selp.{b,s,u,f}32", select<u32>, {32, 32, 32, 1}},
          {"selp.{b,s,u,f}64", select<u64>, {64, 64, 64, 1}},
          {"slct.{b,s,u,f}32.s32", ternary<SelectBySign<i32>, u32, u32, u32, i32>, {32, 32, 32, 32}},
          {"slct.{b,s,u,f}64.s32", ternary<SelectBySign<i32>, u64, u64, u64, i32>, {64, 64, 64, 32}},
          {"slct{.ftz,}.{b,s,u,f}32.f32",
           ternary<SelectBySign<float>, u32, u32, u32, float>,
           {32, 32, 32, 32}},
      });
  return rows.decode(decoding);
}

}  // namespace simulated
