// The addresses of a warp's instruction as runs of consecutive bytes.
#pragma once

#include <bit>
#include <string>

#include "shadow/access_fault.h"

namespace simulated {

// Calls visit(address, bytes, lane) for each run of consecutive bytes that successive lanes access, from
// `lane` on. Lanes that access the same as the one before add nothing. Throws AccessFault where an address is
// no multiple of `bytes`.
template <class Visit>
void each_run(Mask mask, const u64* addresses, u32 bytes, Visit visit) {
  if (mask == kAllLanes) {
    u64 uneven = addresses[0] & (bytes - 1);
    for (u32 lane = 0; lane < kLanes; ++lane) uneven |= addresses[lane] ^ (addresses[0] + lane * bytes);
    if (!uneven) return visit(addresses[0], size_t{kLanes} * bytes, 0);
  }
  u64 begin = 0, end = 0;
  int first = -1;
  for (; mask; mask &= mask - 1) {
    const int lane = std::countr_zero(mask);
    const u64 address = addresses[lane];
    if (address & (bytes - 1))
      throw AccessFault{FaultKind::misaligned,
                        std::to_string(bytes) + " bytes at " + std::to_string(address % 256) + " modulo 256",
                        lane};
    if (first >= 0 && address == end - bytes) continue;
    if (first >= 0 && address == end) {
      end += bytes;
      continue;
    }
    if (first >= 0) visit(begin, end - begin, first);
    first = lane;
    begin = address;
    end = address + bytes;
  }
  if (first >= 0) visit(begin, end - begin, first);
}

}  // namespace simulated
