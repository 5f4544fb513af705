// atom and red: lanes one after the other, in their order.
#include <algorithm>
#include <cstring>

#include "machine/families.h"
#include "machine/memory_access.h"
#include "machine/rounding.h"

namespace simulated {

namespace {

// What memory holds afterwards: of what it held and of one or two operands.
struct Add {
  template <class T>
  T operator()(T old, T a, T) const {
    return static_cast<T>(old + a);
  }
};
struct Minimum {
  template <class T>
  T operator()(T old, T a, T) const {
    return std::min(old, a);
  }
};
struct Maximum {
  template <class T>
  T operator()(T old, T a, T) const {
    return std::max(old, a);
  }
};
struct And {
  template <class T>
  T operator()(T old, T a, T) const {
    return old & a;
  }
};
struct Or {
  template <class T>
  T operator()(T old, T a, T) const {
    return old | a;
  }
};
struct Xor {
  template <class T>
  T operator()(T old, T a, T) const {
    return old ^ a;
  }
};
struct Exchange {
  template <class T>
  T operator()(T, T a, T) const {
    return a;
  }
};
struct CompareAndSwap {
  template <class T>
  T operator()(T old, T expected, T a) const {
    return old == expected ? a : old;
  }
};
struct Increment {
  template <class T>
  T operator()(T old, T limit, T) const {
    return old >= limit ? T{0} : static_cast<T>(old + 1);
  }
};
struct Decrement {
  template <class T>
  T operator()(T old, T limit, T) const {
    return old == 0 || old > limit ? limit : static_cast<T>(old - 1);
  }
};
// Two floats of 16 bits.
template <u16 (*kTo)(float), float (*kFrom)(u16)>
struct AddPair {
  u32 operator()(u32 old, u32 a, u32) const {
    const auto sum = [&](int shift) -> u32 {
      return kTo(kFrom(static_cast<u16>(old >> shift)) + kFrom(static_cast<u16>(a >> shift)));
    };
    return sum(16) << 16 | sum(0);
  }
};

// operand: the old value, an operand, a second one, the address.
constexpr size_t kOld = 0, kFirst = 1, kSecond = 2, kAddress = 3;

template <class T, class F>
void atomic(Warp& w, const Instruction& i, Mask mask) {
  u64 addresses[kLanes];
  LanePointers pointers;
  compute_addresses(w, i, kAddress, addresses);
  find_bytes(w, i, mask, addresses, sizeof(T), Access::atomic, pointers);
  const T *a = w.lanes<T>(i.operand[kFirst]), *b = w.lanes<T>(i.operand[kSecond]);
  T* target = w.lanes<T>(i.operand[kOld]);
  for_each_lane(mask, [&](int lane) {
    T old;
    std::memcpy(&old, pointers.of_lane[lane], sizeof(T));
    const T value = F()(old, a[lane], b[lane]);
    std::memcpy(pointers.of_lane[lane], &value, sizeof(T));
    target[lane] = old;
  });
}

template <class T>
Handler integer_operation(std::string_view name) {
  if (name == "add") return atomic<T, Add>;
  if (name == "min") return atomic<T, Minimum>;
  if (name == "max") return atomic<T, Maximum>;
  if (name == "and") return atomic<T, And>;
  if (name == "or") return atomic<T, Or>;
  if (name == "xor") return atomic<T, Xor>;
  if (name == "exch") return atomic<T, Exchange>;
  if (name == "cas") return atomic<T, CompareAndSwap>;
  if (name == "inc") return atomic<T, Increment>;
  if (name == "dec") return atomic<T, Decrement>;
  return nullptr;
}

Handler operation(std::string_view name, std::string_view type) {
  if (type == "s32") return integer_operation<i32>(name);
  if (type == "u32" || type == "b32") return integer_operation<u32>(name);
  if (type == "s64") return integer_operation<i64>(name);
  if (type == "u64" || type == "b64") return integer_operation<u64>(name);
  if (type == "b16" && (name == "cas" || name == "exch")) return integer_operation<u16>(name);
  if (name != "add") return nullptr;
  if (type == "f32") return atomic<float, Add>;
  if (type == "f64") return atomic<double, Add>;
  if (type == "f16x2") return atomic<u32, AddPair<to_f16, from_f16>>;
  if (type == "bf16x2") return atomic<u32, AddPair<to_bf16, from_bf16>>;
  return nullptr;
}

bool is_operation(std::string_view word) {
  for (const char* name : {"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"})
    if (word == name) return true;
  return false;
}

}  // namespace

Handler decode_atomic(Decoding& decoding) {
  const Opcode& opcode = decoding.opcode;
  const auto name = std::find_if(opcode.words.begin() + 1, opcode.words.end(), is_operation);
  if (name == opcode.words.end()) return nullptr;
  const u32 bits = type_bits(opcode.last());
  const size_t address = opcode[0] == "atom" ? 1 : 0;  // red has no result
  Instruction& i = decoding.instruction;
  i.operand[kOld] = address ? decoding.target(0, bits) : decoding.scratch(bits);
  i.operand[kFirst] = decoding.reg(address + 1, bits);
  i.operand[kSecond] = *name == "cas" ? decoding.reg(address + 2, bits) : i.operand[kFirst];
  decode_address(decoding, address, kAddress);
  i.klass = InstructionClass::atomic;
  return operation(*name, opcode.last());
}

}  // namespace simulated
