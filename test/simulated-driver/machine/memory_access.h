// Where the bytes are that an instruction accesses.
#pragma once

#include "machine/warp.h"
#include "machine/windows.h"
#include "ptx/decoding.h"

namespace simulated {

// Of each lane of a mask.
struct LanePointers {
  u8* of_lane[kLanes];
  // Set where all lanes are in the mask and each lane's bytes follow those of the one before.
  u8* consecutive = nullptr;
};

// Lays an address into operand[at] and what is added to it into Instruction::immediate; Instruction::variant
// becomes its space and the width of the register, for the functions below.
void decode_address(Decoding& decoding, size_t operand, size_t at);

// The addresses of the operand[at] that decode_address has laid there.
void compute_addresses(Warp& warp, const Instruction& instruction, size_t at, u64* addresses);

// Checks an access of `bytes` at each lane's address, counts it, and says where the bytes are.
void find_bytes(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses, u32 bytes,
                Access access, LanePointers& pointers);

}  // namespace simulated
