// Bits: logic, shifts, fields, permutations of bytes, and the logic of predicates.
#include <bit>

#include "machine/families.h"
#include "machine/rows.h"

namespace simulated {

namespace {

struct And {
  template <class T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct LogicalNot {
  template <class T>
  T operator()(T a) const {
    return a == 0;
  }
};

// Distances beyond the width shift everything out.
struct ShiftLeft {
  template <class T>
  T operator()(T a, u32 distance) const {
    constexpr u32 kBits = sizeof(T) * 8;
    return distance >= kBits ? T{0} : static_cast<T>(a << (distance & (kBits - 1)));
  }
};
struct ShiftRight {
  template <class T>
  T operator()(T a, u32 distance) const {
    constexpr u32 kBits = sizeof(T) * 8;
    return static_cast<T>(a >> (distance >= kBits ? kBits - 1 : distance)) >> (distance >= kBits ? 1 : 0);
  }
};

// 32 bits of the pair high:low.
template <bool kLeft, bool kClamp>
struct FunnelShift {
  u32 operator()(u32 low, u32 high, u32 distance) const {
    const u32 by = kClamp ? (distance > 32 ? 32 : distance) : distance & 31;
    const u64 pair = static_cast<u64>(high) << 32 | low;
    return static_cast<u32>(kLeft ? pair << by >> 32 : pair >> by);
  }
};

template <class T>
T field_mask(u32 length) {
  return length >= sizeof(T) * 8 ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
}

struct ExtractField {
  template <class T>
  T operator()(T a, u32 position, u32 length) const {
    constexpr u32 kBits = sizeof(T) * 8;
    position &= 0xff;
    length &= 0xff;
    using U = std::make_unsigned_t<T>;
    const U field = ShiftRight()(static_cast<U>(a), position) & field_mask<U>(length);
    if (std::is_unsigned_v<T> || length == 0) return static_cast<T>(field);
    const u32 last = position + length - 1 > kBits - 1 ? kBits - 1 : position + length - 1;
    const bool sign = static_cast<U>(a) >> last & 1;
    const u32 taken = position > last ? 0 : last - position + 1;
    return static_cast<T>(sign ? field | static_cast<U>(~field_mask<U>(taken)) : field);
  }
};

template <class T>
T insert_field(T a, T b, u32 position, u32 length) {
  position &= 0xff;
  const T mask = ShiftLeft()(field_mask<T>(length & 0xff), position);
  return (b & ~mask) | (ShiftLeft()(a, position) & mask);
}

// bfi d, a, b, position, length: four operands.
template <class T>
void insert_fields(Warp& w, const Instruction& i, Mask mask) {
  const T *a = w.lanes<T>(i.operand[1]), *b = w.lanes<T>(i.operand[2]);
  const u32 *position = w.lanes<u32>(i.operand[3]), *length = w.lanes<u32>(i.operand[4]);
  assign(w.lanes<T>(i.operand[0]), mask,
         [&](int l) { return insert_field(a[l], b[l], position[l], length[l]); });
}

struct CountOnes {
  template <class T>
  u32 operator()(T a) const {
    return static_cast<u32>(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  u32 operator()(T a) const {
    return static_cast<u32>(std::countl_zero(a));
  }
};
struct Reverse {
  template <class T>
  T operator()(T a) const {
    T result = 0;
    for (size_t bit = 0; bit < sizeof(T) * 8; ++bit) result = static_cast<T>(result << 1 | (a >> bit & 1));
    return result;
  }
};
// Position of the highest bit that is not the sign, ~0 where there is none; kShift: its distance from the
// top.
template <bool kShift>
struct FindLeading {
  template <class T>
  u32 operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    const U bits = static_cast<U>(a < 0 ? ~a : a);
    if (bits == 0) return ~0u;
    const u32 zeros = static_cast<u32>(std::countl_zero(bits));
    return kShift ? zeros : static_cast<u32>(sizeof(T) * 8 - 1) - zeros;
  }
};

// Each nibble of the selector takes one of the eight bytes of b:a; its high bit spreads the byte's sign.
struct Permute {
  u32 operator()(u32 a, u32 b, u32 selector) const {
    const u64 bytes = static_cast<u64>(b) << 32 | a;
    u32 result = 0;
    for (u32 k = 0; k < 4; ++k) {
      const u32 select = selector >> (4 * k) & 0xf;
      u32 byte = static_cast<u32>(bytes >> (8 * (select & 7))) & 0xff;
      if (select & 8) byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * k);
    }
    return result;
  }
};

// Any function of three bits: bit 4a + 2b + c of `immediate`.
void logic3(Warp& w, const Instruction& i, Mask mask) {
  const u32 *a = w.lanes<u32>(i.operand[1]), *b = w.lanes<u32>(i.operand[2]), *c = w.lanes<u32>(i.operand[3]);
  const auto table = [&](int bit) { return i.immediate >> bit & 1 ? ~0u : 0u; };
  const u32 t[8] = {table(0), table(1), table(2), table(3), table(4), table(5), table(6), table(7)};
  assign(w.lanes<u32>(i.operand[0]), mask, [&](int l) {
    const u32 x = a[l], y = b[l], z = c[l];
    const u32 without = (~y & ((~z & t[0]) | (z & t[1]))) | (y & ((~z & t[2]) | (z & t[3])));
    const u32 with = (~y & ((~z & t[4]) | (z & t[5]))) | (y & ((~z & t[6]) | (z & t[7])));
    return (~x & without) | (x & with);
  });
}

template <class F>
void of_predicates(Warp& w, const Instruction& i, Mask mask) {
  Mask& target = w.predicates[i.operand[0]];
  const Mask value = F()(w.predicates[i.operand[1]], w.predicates[i.operand[2]]);
  target = (target & ~mask) | (value & mask);
}
struct NotFirst {
  Mask operator()(Mask a, Mask) const { return ~a; }
};
struct First {
  Mask operator()(Mask a, Mask) const { return a; }
};

}  // namespace

Handler decode_bits(Decoding& decoding) {
  static const Rows rows(InstructionClass::integer,
                         {
                             {"and.b16", binary<And, u16>, {16, 16, 16}},
                             {"and.b32", binary<And, u32>, {32, 32, 32}},
                             {"and.b64", binary<And, u64>, {64, 64, 64}},
                             {"or.b16", binary<Or, u16>, {16, 16, 16}},
                             {"or.b32", binary<Or, u32>, {32, 32, 32}},
                             {"or.b64", binary<Or, u64>, {64, 64, 64}},
                             {"xor.b16", binary<Xor, u16>, {16, 16, 16}},
                             {"xor.b32", binary<Xor, u32>, {32, 32, 32}},
                             {"xor.b64", binary<Xor, u64>, {64, 64, 64}},
                             {"not.b16", unary<Not, u16, u16>, {16, 16}},
                             {"not.b32", unary<Not, u32, u32>, {32, 32}},
                             {"not.b64", unary<Not, u64, u64>, {64, 64}},
                             {"cnot.b32", unary<LogicalNot, u32, u32>, {32, 32}},
                             {"shl.b16", binary<ShiftLeft, u16, u16, u32>, {16, 16, 32}},
                             {"shl.b32", binary<ShiftLeft, u32>, {32, 32, 32}},
                             {"shl.b64", binary<ShiftLeft, u64, u64, u32>, {64, 64, 32}},
                             {"shr.{u,b}16", binary<ShiftRight, u16, u16, u32>, {16, 16, 32}},
                             {"shr.{u,b}32", binary<ShiftRight, u32>, {32, 32, 32}},
                             {"shr.{u,b}64", binary<ShiftRight, u64, u64, u32>, {64, 64, 32}},
                             {"shr.s16", binary<ShiftRight, i16, i16, u32>, {16, 16, 32}},
                             {"shr.s32", binary<ShiftRight, i32, i32, u32>, {32, 32, 32}},
                             {"shr.s64", binary<ShiftRight, i64, i64, u32>, {64, 64, 32}},
                             {"shf.l.wrap.b32", ternary<FunnelShift<true, false>, u32>, {32, 32, 32, 32}},
                             {"shf.l.clamp.b32", ternary<FunnelShift<true, true>, u32>, {32, 32, 32, 32}},
                             {"shf.r.wrap.b32", ternary<FunnelShift<false, false>, u32>, {32, 32, 32, 32}},
                             {"shf.r.clamp.b32", ternary<FunnelShift<false, true>, u32>, {32, 32, 32, 32}},
                             {"bfe.u32", ternary<ExtractField, u32>, {32, 32, 32, 32}},
                             {"bfe.s32", ternary<ExtractField, i32, i32, u32, u32>, {32, 32, 32, 32}},
                             {"bfe.u64", ternary<ExtractField, u64, u64, u32, u32>, {64, 64, 32, 32}},
                             {"bfe.s64", ternary<ExtractField, i64, i64, u32, u32>, {64, 64, 32, 32}},
                             {"bfi.b32", insert_fields<u32>, {32, 32, 32, 32, 32}},
                             {"bfi.b64", insert_fields<u64>, {64, 64, 64, 32, 32}},
                             {"popc.b32", unary<CountOnes, u32, u32>, {32, 32}},
                             {"popc.b64", unary<CountOnes, u32, u64>, {32, 64}},
                             {"clz.b32", unary<LeadingZeros, u32, u32>, {32, 32}},
                             {"clz.b64", unary<LeadingZeros, u32, u64>, {32, 64}},
                             {"brev.b32", unary<Reverse, u32, u32>, {32, 32}},
                             {"brev.b64", unary<Reverse, u64, u64>, {64, 64}},
                             {"bfind.u32", unary<FindLeading<false>, u32, u32>, {32, 32}},
                             {"bfind.s32", unary<FindLeading<false>, u32, i32>, {32, 32}},
                             {"bfind.u64", unary<FindLeading<false>, u32, u64>, {32, 64}},
                             {"bfind.s64", unary<FindLeading<false>, u32, i64>, {32, 64}},
                             {"bfind.shiftamt.u32", unary<FindLeading<true>, u32, u32>, {32, 32}},
                             {"bfind.shiftamt.s32", unary<FindLeading<true>, u32, i32>, {32, 32}},
                             {"bfind.shiftamt.u64", unary<FindLeading<true>, u32, u64>, {32, 64}},
                             {"bfind.shiftamt.s64", unary<FindLeading<true>, u32, i64>, {32, 64}},
                             {"prmt.b32", ternary<Permute, u32>, {32, 32, 32, 32}},
                             {"and.pred", of_predicates<And>, {1, 1, 1}},
                             {"or.pred", of_predicates<Or>, {1, 1, 1}},
                             {"xor.pred", of_predicates<Xor>, {1, 1, 1}},
                             {"not.pred", of_predicates<NotFirst>, {1, 1}},
                             {"mov.pred", of_predicates<First>, {1, 1}},
                         });
  if (decoding.opcode.text == "lop3.b32") {
    Instruction& i = decoding.instruction;
    i.operand[0] = decoding.target(0, 32);
    for (size_t k = 1; k < 4; ++k) i.operand[k] = decoding.reg(k, 32);
    i.immediate = decoding.constant(4);
    return logic3;
  }
  return rows.decode(decoding);
}

}  // namespace simulated
