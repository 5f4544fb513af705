// Decoders of the families of instructions; each is in the file of its name.
#pragma once

#include "machine/instruction_set.h"

namespace simulated {

Handler decode_integer(Decoding& decoding);
Handler decode_carry(Decoding& decoding);
Handler decode_bits(Decoding& decoding);
Handler decode_floating(Decoding& decoding);
Handler decode_special(Decoding& decoding);  // approximations
Handler decode_compare(Decoding& decoding);  // setp, set, selp, slct
Handler decode_convert(Decoding& decoding);  // cvt
Handler decode_move(Decoding& decoding);     // mov, cvta, isspacep
Handler decode_memory(Decoding& decoding);   // ld, st, prefetch
Handler decode_atomic(Decoding& decoding);   // atom, red
Handler decode_lanes(Decoding& decoding);    // shfl, vote, match, redux, activemask
Handler decode_barrier(Decoding& decoding);  // bar, barrier, fences, nanosleep, trap
Handler decode_async_copy(Decoding& decoding);
Handler decode_matrix(Decoding& decoding);

}  // namespace simulated
