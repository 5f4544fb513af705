// ld, st, and hints that change nothing.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "machine/families.h"
#include "machine/memory_access.h"

namespace simulated {

// ptx/body.cc calls functions with it: parameters are memory of the thread.
void copy_local(Warp& w, const Instruction& i, Mask mask) {
  const size_t size = w.block->launch->function->local_bytes;
  for_each_lane(mask, [&](int lane) {
    u8* local = w.local.data() + size * lane;
    std::memmove(local + i.operand[0], local + i.operand[1], static_cast<size_t>(i.immediate));
  });
}

namespace {

// M is an element in memory, Instruction::count of them are a vector; R is a register, at least as wide.
// Instruction::bytes holds which kind of access it is.
template <class M, class R>
void load(Warp& w, const Instruction& i, Mask mask) {
  u64 addresses[kLanes];
  LanePointers pointers;
  compute_addresses(w, i, i.count, addresses);
  find_bytes(w, i, mask, addresses, i.count * static_cast<u32>(sizeof(M)), static_cast<Access>(i.bytes),
             pointers);
  if (pointers.consecutive && i.count == 1) {
    const u8* begin = pointers.consecutive;
    M values[kLanes];
    std::memcpy(values, begin, sizeof values);
    R* target = w.lanes<R>(i.operand[0]);
    for (int lane = 0; lane < kLanes; ++lane) target[lane] = static_cast<R>(values[lane]);
    return;
  }
  for (u32 k = 0; k < i.count; ++k) {
    R* target = w.lanes<R>(i.operand[k]);
    for_each_lane(mask, [&](int lane) {
      M value;
      std::memcpy(&value, pointers.of_lane[lane] + k * sizeof(M), sizeof(M));
      target[lane] = static_cast<R>(value);
    });
  }
}

// A parameter of the kernel at a place that is known: the same for all lanes.
template <class M, class R>
void load_parameter(Warp& w, const Instruction& i, Mask mask) {
  const std::byte* parameters = w.block->launch->parameters.data();
  for (u32 k = 0; k < i.count; ++k) {
    M value;
    std::memcpy(&value, parameters + i.immediate + k * sizeof(M), sizeof(M));
    assign(w.lanes<R>(i.operand[k]), mask, [&](int) { return static_cast<R>(value); });
  }
}

template <class M, class R>
void store(Warp& w, const Instruction& i, Mask mask) {
  u64 addresses[kLanes];
  LanePointers pointers;
  compute_addresses(w, i, i.count, addresses);
  find_bytes(w, i, mask, addresses, i.count * static_cast<u32>(sizeof(M)), Access::write, pointers);
  if (pointers.consecutive && i.count == 1) {
    const R* source = w.lanes<R>(i.operand[0]);
    M values[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) values[lane] = static_cast<M>(source[lane]);
    std::memcpy(pointers.consecutive, values, sizeof values);
    return;
  }
  const auto value_of = [&](u32 k, int lane) { return static_cast<M>(w.lanes<R>(i.operand[k])[lane]); };
  for (u32 k = 0; k < i.count; ++k)
    for_each_lane(mask, [&](int lane) {
      const M value = value_of(k, lane);
      std::memcpy(pointers.of_lane[lane] + k * sizeof(M), &value, sizeof(M));
    });
  if (pointers.consecutive) return;
  for (u32 k = 0; k < i.count; ++k)
    for_each_lane(mask, [&](int lane) {
      const M value = value_of(k, lane);
      if (std::memcmp(pointers.of_lane[lane] + k * sizeof(M), &value, sizeof(M)) != 0)
        fault(w, i, lane, FaultKind::data_race,
              "lanes of one instruction write different values to one address");
    });
}

void nothing(Warp&, const Instruction&, Mask) {}

struct Handlers {
  Handler load, load_parameter, store;
};

template <class M, class R>
constexpr Handlers kHandlers = {load<M, R>, load_parameter<M, R>, store<M, R>};

template <class Signed, class Unsigned>
Handlers handlers_of(bool is_signed, u32 register_bits) {
  if (register_bits == 16) return is_signed ? kHandlers<Signed, u16> : kHandlers<Unsigned, u16>;
  if (register_bits == 32) return is_signed ? kHandlers<Signed, u32> : kHandlers<Unsigned, u32>;
  return is_signed ? kHandlers<Signed, u64> : kHandlers<Unsigned, u64>;
}

Handlers find_handlers(std::string_view type, u32 register_bits) {
  const bool is_signed = type[0] == 's';
  switch (type_bits(type)) {
    case 8:
      return handlers_of<i8, u8>(is_signed, register_bits);
    case 16:
      return handlers_of<i16, u16>(is_signed, register_bits);
    case 32:
      return handlers_of<i32, u32>(is_signed, register_bits);
    default:
      return kHandlers<u64, u64>;
  }
}

Access access_of(const Opcode& opcode) {
  const bool relaxed = opcode.has("volatile") || opcode.has("relaxed") || opcode.has("acquire");
  return relaxed ? Access::relaxed_read : Access::read;
}

}  // namespace

Handler decode_memory(Decoding& decoding) {
  const Opcode& opcode = decoding.opcode;
  Instruction& i = decoding.instruction;
  if (opcode[0] != "ld" && opcode[0] != "st") return nothing;
  const bool loads = opcode[0] == "ld";
  const size_t value = loads ? 0 : 1;
  const std::string_view type = opcode.last();
  const u32 bits = type_bits(type);
  if (bits == 0 || bits > 64) return nullptr;
  i.count = static_cast<u8>(decoding.elements(value));
  u32 register_bits = std::max(bits, 16u);
  for (size_t k = 0; k < i.count; ++k)
    if (!decoding.is_sink(value, k)) register_bits = std::max(register_bits, decoding.bits(value, k));
  for (size_t k = 0; k < i.count; ++k)
    i.operand[k] = loads ? decoding.target(value, register_bits, k) : decoding.reg(value, register_bits, k);
  decode_address(decoding, loads ? 1 : 0, i.count);
  const Handlers handlers = find_handlers(type, register_bits);
  if (!loads) return handlers.store;
  i.bytes = static_cast<u8>(access_of(opcode));
  const Address address = decoding.address(1);
  if (address.space == Space::parameter) {
    i.immediate += static_cast<i64>(address.variable);
    return handlers.load_parameter;
  }
  return handlers.load;
}

}  // namespace simulated
