// The addresses of a warp's instruction as runs of consecutive bytes.
#pragma once

#include <bit>
#include <string>

#include "shadow/access_fault.h"

namespace simulated {

// Consecutive bytes that successive lanes access, `lane` the first of them; or what several lanes access
// alike.
struct Run {
  u64 address;
  size_t bytes;
  int lane;
  bool several;
};

// Calls visit(run) for each run. Throws AccessFault where an address is no multiple of `bytes`.
template <class Visit>
void each_run(Mask mask, const u64* addresses, u32 bytes, Visit visit) {
  if (mask == kAllLanes) {
    u64 uneven = addresses[0] & (bytes - 1);
    for (u32 lane = 0; lane < kLanes; ++lane) uneven |= addresses[lane] ^ (addresses[0] + lane * bytes);
    if (!uneven) return visit(Run{addresses[0], size_t{kLanes} * bytes, 0, false});
  }
  Run run{0, 0, 0, false};
  int last = 0;
  for (; mask; mask &= mask - 1) {
    const int lane = std::countr_zero(mask);
    const u64 address = addresses[lane];
    if (address & (bytes - 1))
      throw AccessFault{FaultKind::misaligned,
                        std::to_string(bytes) + " bytes at " + std::to_string(address % 256) + " modulo 256",
                        lane};
    if (run.bytes && address == run.address + run.bytes - bytes) {
      // As the lane before: the two are a run of their own.
      if (run.bytes > bytes) {
        visit(Run{run.address, run.bytes - bytes, run.lane, false});
        run = {address, bytes, last, true};
      }
      run.several = true;
    } else if (run.bytes && address == run.address + run.bytes && lane == last + 1 && !run.several) {
      run.bytes += bytes;
    } else {
      if (run.bytes) visit(run);
      run = {address, bytes, lane, false};
    }
    last = lane;
  }
  if (run.bytes) visit(run);
}

}  // namespace simulated
