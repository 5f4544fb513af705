#include "machine/memory_access.h"

#include <string>

#include "machine/count_memory.h"

namespace simulated {

namespace {

constexpr u8 kNarrow = 0x80;  // of Instruction::variant: the register has 32 bits

Space space_in(const Instruction& instruction) { return static_cast<Space>(instruction.variant & ~kNarrow); }

// Memory that belongs to a thread, or that nobody writes: only its bounds can be broken.
void find_plain_bytes(Warp& warp, const Instruction& instruction, Mask mask, Space space,
                      const u64* addresses, u32 bytes, LanePointers& pointers) {
  const Launch& launch = *warp.block->launch;
  u8* begin = nullptr;
  size_t size = 0, of_lane = 0;
  const char* what = "";
  if (space == Space::local) {
    begin = warp.local.data();
    size = of_lane = launch.function->local_bytes;
    what = "local memory";
  } else if (space == Space::parameter) {
    begin = reinterpret_cast<u8*>(const_cast<std::byte*>(launch.parameters.data()));
    size = launch.parameters.size();
    what = "parameters";
  } else {
    begin = const_cast<u8*>(launch.function->module->constants.data());
    size = launch.function->module->constants.size();
    what = "constants";
  }
  for_each_lane(mask, [&](int lane) {
    const u64 address = addresses[lane];
    if (address % bytes)
      fault(warp, instruction, lane, FaultKind::misaligned,
            std::to_string(bytes) + " bytes at " + std::to_string(address) + " of " + what);
    if (address > size || size - address < bytes)
      fault(warp, instruction, lane, FaultKind::out_of_bounds,
            std::to_string(bytes) + " bytes at " + std::to_string(static_cast<i64>(address)) + " of " +
                std::to_string(size) + " bytes of " + what);
    pointers.of_lane[lane] = begin + of_lane * lane + address;
  });
}

bool are_consecutive(const u64* addresses, u32 bytes) {
  u64 uneven = 0;
  for (u32 lane = 0; lane < kLanes; ++lane) uneven |= addresses[lane] ^ (addresses[0] + lane * bytes);
  return uneven == 0;
}

void find_in_space(Warp& warp, const Instruction& instruction, Mask mask, Space space, const u64* addresses,
                   u32 bytes, Access access, LanePointers& pointers) {
  Block& block = *warp.block;
  u8* shared = nullptr;
  if (space == Space::global) {
    block.global->access(warp, instruction, mask, addresses, bytes, access);
    if (block.options->count) count_global(block, mask, addresses, bytes, access);
  } else if (space == Space::shared) {
    block.shared.access(warp, instruction, mask, addresses, bytes, access);
    if (block.options->count) count_shared(block, mask, addresses, bytes);
    shared = block.shared.data();
  } else {
    find_plain_bytes(warp, instruction, mask, space, addresses, bytes, pointers);
    return;
  }
  const auto pointer = [&](int lane) {
    return shared ? shared + addresses[lane] : GlobalMemory::host(addresses[lane]);
  };
  if (mask == kAllLanes && are_consecutive(addresses, bytes)) {
    pointers.consecutive = pointer(0);
    for (int lane = 0; lane < kLanes; ++lane) pointers.of_lane[lane] = pointers.consecutive + lane * bytes;
  } else {
    for_each_lane(mask, [&](int lane) { pointers.of_lane[lane] = pointer(lane); });
  }
}

// Lanes may point into different spaces.
void find_generic(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes,
                  Access access, LanePointers& pointers) {
  while (mask) {
    const Space space = space_of(addresses[__builtin_ctz(mask)]);
    const u64 window = window_of(space);
    Mask same = 0;
    u64 inside[kLanes];
    for_each_lane(mask, [&](int lane) {
      if (space_of(addresses[lane]) != space) return;
      same |= Mask{1} << lane;
      inside[lane] = addresses[lane] - window;
    });
    find_in_space(warp, instruction, same, space, inside, bytes, access, pointers);
    mask &= ~same;
  }
}

}  // namespace

void decode_address(Decoding& decoding, size_t operand, size_t at) {
  const Address address = decoding.address(operand);
  Space space = space_of_opcode(decoding.opcode);
  // The parameters of functions that are called are memory of the thread.
  if (space == Space::parameter && address.space == Space::local) space = Space::local;
  Instruction& i = decoding.instruction;
  i.operand[at] = address.base;
  i.immediate = address.offset;
  i.variant = static_cast<u8>(space) | (address.bits == 32 ? kNarrow : 0);
  i.klass = space == Space::shared                                  ? InstructionClass::shared
            : space == Space::local                                 ? InstructionClass::local
            : space == Space::parameter || space == Space::constant ? InstructionClass::parameter
                                                                    : InstructionClass::global;
}

void compute_addresses(Warp& warp, const Instruction& instruction, size_t at, u64* addresses) {
  const u64 offset = static_cast<u64>(instruction.immediate);
  if (instruction.variant & kNarrow) {
    const u32* base = warp.lanes<u32>(instruction.operand[at]);
    const u32 narrow = static_cast<u32>(offset);
    for (int lane = 0; lane < kLanes; ++lane) addresses[lane] = base[lane] + narrow;
  } else {
    const u64* base = warp.lanes<u64>(instruction.operand[at]);
    for (int lane = 0; lane < kLanes; ++lane) addresses[lane] = base[lane] + offset;
  }
}

void find_bytes(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes,
                Access access, LanePointers& pointers) {
  const Space space = space_in(instruction);
  if (space == Space::generic)
    find_generic(warp, instruction, mask, addresses, bytes, access, pointers);
  else
    find_in_space(warp, instruction, mask, space, addresses, bytes, access, pointers);
}

}  // namespace simulated
