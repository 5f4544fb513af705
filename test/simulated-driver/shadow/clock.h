// Time, as far as it orders accesses of memory. A stamp is a number that grows from synchronisation to
// synchronisation over all blocks and launches; what a warp does between two of its own has the same stamp.
// Blocks of a launch run one after another, so that the stamps of each lie in a range of its own.
#pragma once

#include <array>
#include <span>

#include "ptx/types.h"

namespace simulated {

constexpr unsigned kMaxWarps = 32;  // of a block

// Who did something, and when: the stamp, whether it was atomic, the warp. 0: nobody yet.
using Epoch = u32;
constexpr unsigned kStampShift = 6;
constexpr Epoch kAtomic = 1u << 5;
constexpr Epoch kWarpBits = kMaxWarps - 1;
constexpr u32 kMaxStamp = (1u << (32 - kStampShift)) - 2;
constexpr Epoch kInFlight = (kMaxStamp + 1) << kStampShift;  // a copy into it is not done
constexpr Epoch kByHost = 1u << kStampShift;                 // before any launch

constexpr u32 kMaxMeetings = 1u << 26;

constexpr Epoch make_epoch(u32 stamp, u32 warp) { return stamp << kStampShift | warp; }
constexpr u32 stamp_of(Epoch epoch) { return epoch >> kStampShift; }
constexpr u32 warp_of(Epoch epoch) { return epoch & kWarpBits; }

// What a barrier knows: of each warp, the latest stamp whose accesses are done.
using Stamps = std::array<u32, kMaxWarps>;

// The vector clock of a warp.
class WarpClock {
 public:
  u32 warp() const { return warp_; }
  Epoch now() const { return now_; }
  u32 seen(u32 warp) const { return seen_[warp]; }

  // How often lanes of the warp have met, which is what orders accesses of different lanes.
  u32 meetings() const { return meetings_; }
  void meet() { meetings_ = (meetings_ + 1) % kMaxMeetings; }

  // Whether what happened at `epoch` is done before the warp's next access. Exact.
  bool follows(Epoch epoch) const {
    if (epoch < launch_begin_) return true;
    return epoch >= block_begin_ && stamp_of(epoch) <= seen_[warp_of(epoch)];
  }
  // True only where `follows` is, and nearly always then. Without branches, for loops over many epochs.
  u32 surely_follows(Epoch epoch) const {
    return static_cast<u32>(epoch < launch_begin_) | static_cast<u32>(epoch - block_begin_ <= ordered_span_) |
           (static_cast<u32>((epoch & kWarpBits) == warp_) &
            static_cast<u32>(epoch - block_begin_ <= own_span_));
  }
  Epoch block_begin() const { return block_begin_; }
  // Of another block of the same launch: nothing orders the two.
  bool of_other_block(Epoch epoch) const { return epoch >= launch_begin_ && epoch < block_begin_; }

 private:
  friend class Clock;
  void set_now(u32 stamp);
  void refresh();

  u32 warp_ = 0, warps_ = 1;
  u32 meetings_ = 0;
  Epoch now_ = 0;
  Epoch launch_begin_ = 0, block_begin_ = 0;
  u32 ordered_span_ = 0, own_span_ = 0;  // from block_begin_
  Stamps seen_{};
};

class Clock {
 public:
  // Whether there are too few stamps left for a launch: GlobalMemory then forgets who did what.
  bool nearly_exhausted() const { return now_ > kMaxStamp / 2; }
  void restart() { now_ = 1; }

  void begin_launch();
  // All warps of a block that begins.
  void begin_block(std::span<WarpClock* const> warps);

  // Arrival at a barrier: its later waiters know all that the warp did and knew.
  void release(WarpClock& warp, Stamps& barrier);
  // Past a barrier. The barrier is cleared (`barrier = {}`) by who owns it, once all have passed.
  void acquire(WarpClock& warp, const Stamps& barrier);
  // A barrier that all of these warps have arrived at: release of all, then acquire of all.
  void synchronise(std::span<WarpClock* const> warps);

 private:
  u32 tick();
  u32 now_ = 1;
  u32 launch_ = 1;
};

}  // namespace simulated
