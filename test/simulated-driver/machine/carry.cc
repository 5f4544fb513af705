// Arithmetic of several words: add.cc, addc, sub.cc, subc, mad.cc, madc, with a carry of each lane between
// them.
#include <type_traits>

#include "machine/families.h"

namespace simulated {

namespace {

// operand: d, a, b (, c for mad), the carry at kCarry.
constexpr size_t kCarry = 4;

template <class T>
struct Result {
  T value;
  bool carry;
};

template <class T>
Result<T> add(T a, T b, bool carry) {
  const T sum = a + b, value = sum + carry;
  return {value, sum < a || value < sum};
}
template <class T>
Result<T> subtract(T a, T b, bool borrow) {
  const T difference = a - b, value = difference - borrow;
  return {value, difference > a || value > difference};
}

struct Add {
  template <class T>
  static Result<T> of(const T* const operands[3], int lane, bool carry) {
    return add(operands[0][lane], operands[1][lane], carry);
  }
};
struct Subtract {
  template <class T>
  static Result<T> of(const T* const operands[3], int lane, bool borrow) {
    return subtract(operands[0][lane], operands[1][lane], borrow);
  }
};
struct MultiplyAddLow {
  template <class T>
  static Result<T> of(const T* const operands[3], int lane, bool carry) {
    return add(static_cast<T>(operands[0][lane] * operands[1][lane]), operands[2][lane], carry);
  }
};
// S: the type as whose product the upper half is taken.
template <class S>
struct MultiplyAddHigh {
  template <class T>
  static Result<T> of(const T* const operands[3], int lane, bool carry) {
    using Wide = std::conditional_t<sizeof(S) == 4, i64, __int128>;
    using UnsignedWide = std::conditional_t<sizeof(S) == 4, u64, unsigned __int128>;
    using Product = std::conditional_t<std::is_signed_v<S>, Wide, UnsignedWide>;
    const Product product =
        static_cast<Product>(static_cast<S>(operands[0][lane])) * static_cast<S>(operands[1][lane]);
    return add(static_cast<T>(product >> (sizeof(S) * 8)), operands[2][lane], carry);
  }
};

// Instruction::variant: these.
constexpr u8 kTakes = 1, kGives = 2;

template <class T, class F>
void with_carry(Warp& w, const Instruction& i, Mask mask) {
  const T* const operands[3] = {w.lanes<T>(i.operand[1]), w.lanes<T>(i.operand[2]), w.lanes<T>(i.operand[3])};
  T* target = w.lanes<T>(i.operand[0]);
  Mask& carries = w.predicates[i.operand[kCarry]];
  for_each_lane(mask, [&](int lane) {
    const Mask bit = Mask{1} << lane;
    const Result<T> result = F::of(operands, lane, (i.variant & kTakes) && (carries & bit));
    if (i.variant & kGives) carries = result.carry ? carries | bit : carries & ~bit;
    target[lane] = result.value;
  });
}

template <class T, class S>
Handler operation(const Opcode& opcode) {
  const std::string_view name = opcode[0];
  if (name == "add" || name == "addc") return with_carry<T, Add>;
  if (name == "sub" || name == "subc") return with_carry<T, Subtract>;
  return opcode.has("hi") ? with_carry<T, MultiplyAddHigh<S>> : with_carry<T, MultiplyAddLow>;
}

}  // namespace

Handler decode_carry(Decoding& decoding) {
  const Opcode& opcode = decoding.opcode;
  const std::string_view name = opcode[0], type = opcode.last();
  Instruction& i = decoding.instruction;
  const bool takes = name.back() == 'c', gives = opcode.has("cc");
  if (!takes && !gives) return nullptr;
  i.variant = (takes ? kTakes : 0) | (gives ? kGives : 0);
  i.klass = InstructionClass::integer;
  const u32 bits = type_bits(type);
  i.operand[0] = decoding.target(0, bits);
  for (size_t k = 1; k < decoding.size(); ++k) i.operand[k] = decoding.reg(k, bits);
  i.operand[kCarry] = decoding.carry();
  if (type == "u32") return operation<u32, u32>(opcode);
  if (type == "s32") return operation<u32, i32>(opcode);
  if (type == "u64") return operation<u64, u64>(opcode);
  return type == "s64" ? operation<u64, i64>(opcode) : nullptr;
}

}  // namespace simulated
