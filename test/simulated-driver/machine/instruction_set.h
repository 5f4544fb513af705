// Families of instructions: a file of machine/ with a decoder
//   Handler decode_matrix(Decoding& d);
// which looks at d.opcode, lays operands into d.instruction and gives the handler, nullptr where it does not
// know the opcode. The table of instruction_set.cc names it under the first word of its opcodes.
#pragma once

#include "machine/warp.h"
#include "ptx/decoding.h"

namespace simulated {

using Decoder = Handler (*)(Decoding&);

}  // namespace simulated
