#include "shadow/clock.h"

#include <algorithm>
#include <stdexcept>

namespace simulated {

void WarpClock::set_now(u32 stamp) {
  now_ = make_epoch(stamp, warp_);
  seen_[warp_] = stamp;
  own_span_ = (now_ | kAtomic) - block_begin_;
}

void WarpClock::refresh() {
  u32 least = seen_[warp_];
  for (u32 warp = 0; warp < warps_; ++warp) least = std::min(least, seen_[warp]);
  ordered_span_ = (make_epoch(least, kWarpBits) | kAtomic) - block_begin_;
}

u32 Clock::tick() {
  if (now_ >= kMaxStamp) throw std::runtime_error("too many barriers in one launch to simulate");
  return ++now_;
}

void Clock::begin_launch() { launch_ = tick(); }

void Clock::begin_block(std::span<WarpClock* const> warps) {
  const u32 begin = tick(), first = tick();
  u32 index = 0;
  for (WarpClock* warp : warps) {
    warp->warp_ = index++;
    warp->warps_ = static_cast<u32>(warps.size());
    warp->launch_begin_ = make_epoch(launch_, 0);
    warp->block_begin_ = make_epoch(begin, 0);
    warp->seen_.fill(begin);
    warp->set_now(first);
    warp->refresh();
  }
}

void Clock::release(WarpClock& warp, Stamps& barrier) {
  for (u32 i = 0; i < kMaxWarps; ++i) barrier[i] = std::max(barrier[i], warp.seen_[i]);
  warp.set_now(tick());
  warp.refresh();
}

void Clock::acquire(WarpClock& warp, const Stamps& barrier) {
  for (u32 i = 0; i < kMaxWarps; ++i) warp.seen_[i] = std::max(barrier[i], warp.seen_[i]);
  warp.refresh();
}

void Clock::synchronise(std::span<WarpClock* const> warps) {
  Stamps joined{};
  for (const WarpClock* warp : warps)
    for (u32 i = 0; i < kMaxWarps; ++i) joined[i] = std::max(joined[i], warp->seen_[i]);
  const u32 stamp = tick();
  for (WarpClock* warp : warps) {
    warp->seen_ = joined;
    warp->set_now(stamp);
    warp->refresh();
  }
}

}  // namespace simulated
