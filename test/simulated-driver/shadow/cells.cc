#include "shadow/cells.h"

#include <algorithm>
#include <bit>
#include <type_traits>

namespace simulated {

Cells::Cells(size_t bytes, unsigned readers, Epoch written)
    : bytes_((bytes + 3) / 4 * 4), rows_(readers), cells_(new Epoch[(readers + 1) * count()]()) {
  if (written) std::fill_n(writers(), count(), written);
}

void Cells::split(unsigned shift) {
  const size_t before = count(), copies = size_t{1} << (shift_ - shift);
  std::unique_ptr<Epoch[]> cells(new Epoch[(rows_ + 1) * before * copies]);
  for (size_t i = 0; i < (rows_ + 1) * before; ++i) std::fill_n(cells.get() + i * copies, copies, cells_[i]);
  cells_ = std::move(cells);
  shift_ = shift;
}

void Cells::set_written(size_t begin, size_t bytes, Epoch epoch) {
  resolve(begin, bytes);
  std::fill_n(writers() + (begin >> shift_), bytes >> shift_, epoch);
}

bool Cells::is_written(size_t begin, size_t bytes) const {
  for (size_t byte = begin; byte < begin + bytes; byte = ((byte >> shift_) + 1) << shift_)
    if (!cells_[byte >> shift_]) return false;
  return true;
}

void Cells::copy_written(size_t begin, const Cells& source, size_t source_begin, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const bool written = source.is_written(source_begin + done, 1);
    size_t end = done + 1;
    while (end < bytes && source.is_written(source_begin + end, 1) == written) ++end;
    set_written(begin + done, end - done, written ? kByHost : 0);
    done = end;
  }
}

void Cells::forget() {
  for (size_t i = 0; i < count(); ++i)
    if (writers()[i]) writers()[i] = kByHost;
  std::fill_n(readers(0), rows_ * count(), 0);
}

// Calls body(n), with a constant where n is what a lane or a whole warp accesses at once.
template <class Body>
static inline auto with_count(size_t n, Body body) {
  switch (n) {
    case 1:
      return body(std::integral_constant<size_t, 1>());
    case 2:
      return body(std::integral_constant<size_t, 2>());
    case 4:
      return body(std::integral_constant<size_t, 4>());
    case 8:
      return body(std::integral_constant<size_t, 8>());
    case 32:
      return body(std::integral_constant<size_t, 32>());
    default:
      return body(n);
  }
}

std::optional<Conflict> Cells::find_writer(const WarpClock& clock, Access access, size_t first, size_t n) {
  const Epoch* writer = writers() + first;
  const u32 any_value = access == Access::write;
  const bool fine = with_count(n, [&](auto n) {
    u32 fine = 1;
    for (size_t i = 0; i < n; ++i)
      fine &= clock.surely_follows(writer[i]) & (static_cast<u32>(writer[i] != 0) | any_value);
    return fine != 0;
  });
  if (fine) [[likely]]
    return {};
  return find_writer_exactly(clock, access, first, n);
}

std::optional<Conflict> Cells::find_writer_exactly(const WarpClock& clock, Access access, size_t first,
                                                   size_t n) {
  const Epoch* writer = writers() + first;
  for (size_t i = 0; i < n; ++i) {
    const size_t byte = (first + i) << shift_;
    if (!writer[i] && access != Access::write) return Conflict{Conflict::unwritten, byte, 0};
    if (writer[i] >= kInFlight) return Conflict{Conflict::in_flight, byte, writer[i]};
    const bool both_atomic =
        (access == Access::atomic || access == Access::relaxed_read) && writer[i] & kAtomic;
    if (!both_atomic && !clock.follows(writer[i])) return Conflict{Conflict::after_write, byte, writer[i]};
  }
  return {};
}

std::optional<Conflict> SharedCells::access(const WarpClock& clock, Access access, size_t begin,
                                            size_t bytes) {
  const size_t first = begin >> shift_, n = bytes >> shift_;
  if (auto conflict = find_writer(clock, access, first, n)) [[unlikely]]
    return conflict;
  const u32 warp = clock.warp();
  const Epoch now = clock.now();
  if (access == Access::read) {
    Epoch* reader = readers(warp) + first;
    with_count(n, [&](auto n) { std::fill_n(reader, +n, now); });
    last_read_[warp] = stamp_of(now);
    return {};
  }
  if (access == Access::relaxed_read) return {};
  for (u32 other = 0; other < warps(); ++other) {
    if (other == warp || last_read_[other] <= clock.seen(other)) continue;
    const Epoch limit = make_epoch(clock.seen(other), kWarpBits) | kAtomic;
    const Epoch* reader = readers(other) + first;
    u32 late = 0;
    for (size_t i = 0; i < n; ++i) late |= static_cast<u32>(reader[i] > limit);
    if (!late) continue;
    const size_t i = std::find_if(reader, reader + n, [&](Epoch epoch) { return epoch > limit; }) - reader;
    return Conflict{Conflict::after_read, (first + i) << shift_, reader[i]};
  }
  Epoch* writer = writers() + first;
  with_count(n, [&](auto n) { std::fill_n(writer, +n, access == Access::atomic ? now | kAtomic : now); });
  return {};
}

std::optional<Conflict> SharedCells::access_lanes(const WarpClock& clock, Access access, size_t begin,
                                                  size_t bytes, int lane, u32 bytes_of_lane, bool several) {
  if (access == Access::write) {
    set_lanes(clock, begin, bytes, lane, bytes_of_lane);
    return {};
  }
  if (access != Access::read) return {};
  const size_t first = begin >> shift_, n = bytes >> shift_;
  const Epoch* writer = writers() + first;
  const u32* lanes = this->lanes() + first;
  // Only what the warp has written since its last barrier may lack a meeting of its lanes.
  const bool any = with_count(n, [&](auto n) {
    u32 any = 0;
    for (size_t i = 0; i < n; ++i) any |= static_cast<u32>(writer[i] == clock.now());
    return any != 0;
  });
  if (!any) [[likely]]
    return {};
  several |= bytes_of_lane < size_t{1} << shift_;
  for (size_t i = 0; i < n; ++i) {
    if (writer[i] != clock.now() || lanes[i] >> 5 != clock.meetings()) continue;
    const u32 reader = static_cast<u32>(lane) + static_cast<u32>((i << shift_) / bytes_of_lane);
    if (several || reader != (lanes[i] & 31))
      return Conflict{Conflict::after_lane, (first + i) << shift_, lanes[i] & 31};
  }
  return {};
}

void SharedCells::set_lanes(const WarpClock& clock, size_t begin, size_t bytes, int lane, u32 bytes_of_lane) {
  constexpr u32 kSeveral = ~u32{0};  // no number of meetings is so great
  u32* lanes = this->lanes() + (begin >> shift_);
  const int shift = std::countr_zero(bytes_of_lane) - static_cast<int>(shift_);
  if (shift < 0) {
    std::fill_n(lanes, bytes >> shift_, kSeveral);
    return;
  }
  const u32 base = clock.meetings() << 5 | static_cast<u32>(lane);
  with_count(bytes >> shift_, [&](auto n) {
    for (size_t i = 0; i < n; ++i) lanes[i] = base + static_cast<u32>(i >> shift);
  });
}

void SharedCells::begin_block() {
  std::fill_n(writers(), count(), 0);
  std::fill(last_read_.begin(), last_read_.end(), 0);
}

std::optional<Conflict> GlobalCells::access(const WarpClock& clock, Access access, size_t begin,
                                            size_t bytes) {
  const size_t first = begin >> shift_, n = bytes >> shift_;
  if (auto conflict = find_writer(clock, access, first, n)) [[unlikely]]
    return conflict;
  if (access == Access::relaxed_read) return {};
  Epoch *one = readers(0) + first, *two = readers(1) + first;
  const Epoch now = clock.now();
  if (access == Access::read) {
    with_count(n, [&](auto n) {
      for (size_t i = 0; i < n; ++i) {
        const u32 take_one = clock.surely_follows(one[i]),
                  take_two = clock.surely_follows(two[i]) & ~take_one;
        one[i] = take_one ? now : one[i];
        two[i] = take_two ? now : two[i];
      }
    });
    return {};
  }
  const bool fine = with_count(n, [&](auto n) {
    u32 fine = 1;
    for (size_t i = 0; i < n; ++i) fine &= clock.surely_follows(one[i]) & clock.surely_follows(two[i]);
    return fine != 0;
  });
  if (!fine) [[unlikely]]
    for (size_t i = 0; i < n; ++i)
      for (Epoch reader : {one[i], two[i]})
        if (!clock.follows(reader)) return Conflict{Conflict::after_read, (first + i) << shift_, reader};
  Epoch* writer = writers() + first;
  if (access == Access::write) {
    with_count(n, [&](auto n) { std::fill_n(writer, +n, now); });
  } else {
    // Of atomics that nothing orders the first one stays, which a later plain read of another block finds.
    for (size_t i = 0; i < n; ++i)
      if (!(writer[i] & kAtomic) || clock.follows(writer[i])) writer[i] = now | kAtomic;
  }
  return {};
}

}  // namespace simulated
