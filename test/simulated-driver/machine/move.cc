// mov, and what makes an address of another.
#include <chrono>
#include <cstring>

#include "machine/families.h"
#include "machine/rows.h"
#include "machine/windows.h"

namespace simulated {

namespace {

struct Same {
  template <class T>
  T operator()(T a) const {
    return a;
  }
};

// mov.b32 d, {low, high}
template <class T, class Part>
void pack(Warp& w, const Instruction& i, Mask mask) {
  constexpr int kParts = sizeof(T) / sizeof(Part);
  for_each_lane(mask, [&](int lane) {
    T value = 0;
    for (int k = 0; k < kParts; ++k)
      value |= static_cast<T>(w.lanes<Part>(i.operand[1 + k])[lane]) << (k * sizeof(Part) * 8);
    w.lanes<T>(i.operand[0])[lane] = value;
  });
}

// mov.b32 {low, high}, a
template <class T, class Part>
void unpack(Warp& w, const Instruction& i, Mask mask) {
  constexpr int kParts = sizeof(T) / sizeof(Part);
  const u32 source = i.operand[kParts];
  for_each_lane(mask, [&](int lane) {
    const T value = w.lanes<T>(source)[lane];
    for (int k = 0; k < kParts; ++k)
      w.lanes<Part>(i.operand[k])[lane] = static_cast<Part>(value >> (k * sizeof(Part) * 8));
  });
}

template <class T>
void read_clock(Warp& w, const Instruction& i, Mask mask) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  const T value = static_cast<T>(static_cast<u64>(nanoseconds) >> i.variant);
  assign(w.lanes<T>(i.operand[0]), mask, [&](int) { return value; });
}

// The window is added (cvta.shared) or taken off (cvta.to.shared).
void convert_address(Warp& w, const Instruction& i, Mask mask) {
  const u64* a = w.lanes<u64>(i.operand[1]);
  const u64 distance = static_cast<u64>(i.immediate);
  assign(w.lanes<u64>(i.operand[0]), mask, [&](int l) { return a[l] + distance; });
}

void is_in_space(Warp& w, const Instruction& i, Mask mask) {
  const u64* a = w.lanes<u64>(i.operand[1]);
  Mask& target = w.predicates[i.operand[0]];
  for_each_lane(mask, [&](int lane) {
    const Mask bit = Mask{1} << lane;
    target = space_of(a[lane]) == static_cast<Space>(i.variant) ? target | bit : target & ~bit;
  });
}

Handler decode_vector_move(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  const bool packs = decoding.is_vector(1);
  const size_t parts = decoding.elements(packs ? 1 : 0);
  const u32 bits = type_bits(decoding.opcode.last()), part_bits = bits / static_cast<u32>(parts);
  size_t at = 0;
  for (size_t operand = 0; operand < 2; ++operand)
    for (size_t k = 0; k < decoding.elements(operand); ++k) {
      const u32 size = decoding.is_vector(operand) ? part_bits : bits;
      i.operand[at++] = operand ? decoding.reg(operand, size, k) : decoding.target(operand, size, k);
    }
  if (bits == 32 && part_bits == 16) return packs ? pack<u32, u16> : unpack<u32, u16>;
  if (bits == 64 && part_bits == 32) return packs ? pack<u64, u32> : unpack<u64, u32>;
  if (bits == 64 && part_bits == 16) return packs ? pack<u64, u16> : unpack<u64, u16>;
  return nullptr;
}

Handler decode_mov(Decoding& decoding) {
  static const Rows rows(InstructionClass::move, {
                                                     {"mov.{b,s,u,f}16", unary<Same, u16, u16>, {16, 16}},
                                                     {"mov.{b,s,u,f}32", unary<Same, u32, u32>, {32, 32}},
                                                     {"mov.{b,s,u,f}64", unary<Same, u64, u64>, {64, 64}},
                                                 });
  Instruction& i = decoding.instruction;
  if (decoding.is_vector(0) || decoding.is_vector(1)) return decode_vector_move(decoding);
  const std::string_view source = decoding.name(1);
  if (source == "%clock" || source == "%clock_hi") {
    i.operand[0] = decoding.target(0, 32);
    i.variant = source == "%clock" ? 0 : 32;
    return read_clock<u32>;
  }
  if (source == "%clock64" || source == "%globaltimer") {
    i.operand[0] = decoding.target(0, 64);
    return read_clock<u64>;
  }
  return rows.decode(decoding);
}

}  // namespace

Handler decode_move(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  i.klass = InstructionClass::move;
  const Space space = space_of_opcode(decoding.opcode);
  if (decoding.opcode[0] == "isspacep") {
    i.operand[0] = decoding.predicate(0);
    i.operand[1] = decoding.reg(1, 64);
    i.variant = static_cast<u8>(space);
    return is_in_space;
  }
  if (decoding.opcode[0] == "cvta") {
    i.operand[0] = decoding.target(0, 64);
    i.operand[1] = decoding.reg(1, 64);
    const i64 window = static_cast<i64>(window_of(space));
    i.immediate = decoding.opcode.has("to") ? -window : window;
    return convert_address;
  }
  return decode_mov(decoding);
}

}  // namespace simulated
