#include "machine/count_memory.h"

#include <algorithm>
#include <array>

namespace simulated {

namespace {

constexpr u64 kSector = 32;
constexpr u64 kBanks = 32, kBankBytes = 4;

// How many different numbers there are.
template <class Numbers>
u64 count_different(Numbers& numbers, size_t count) {
  std::sort(numbers.begin(), numbers.begin() + count);
  return static_cast<u64>(std::unique(numbers.begin(), numbers.begin() + count) - numbers.begin());
}

// The turns of lanes that are served together: words of one bank take one each.
u64 turns(Mask mask, const u64* addresses, u32 bytes) {
  std::array<u64, kLanes * 4> words;
  size_t count = 0;
  for_each_lane(mask, [&](int lane) {
    for (u64 word = addresses[lane] / kBankBytes; word * kBankBytes < addresses[lane] + bytes; ++word)
      words[count++] = word;
  });
  const u64 different = count_different(words, count);
  std::array<u64, kBanks> of_bank{};
  for (u64 i = 0; i < different; ++i) ++of_bank[words[i] % kBanks];
  return *std::max_element(of_bank.begin(), of_bank.end());
}

}  // namespace

void count_global(Block& block, Mask mask, const u64* addresses, u32 bytes, Access access) {
  std::array<u64, kLanes> sectors;  // an access is aligned and of 16 bytes at most: it lies in one
  size_t count = 0;
  for_each_lane(mask, [&](int lane) { sectors[count++] = addresses[lane] / kSector; });
  Counters& counters = *block.counters;
  ++counters.global_requests;
  counters.global_bytes += count * bytes;
  const u64 different = count_different(sectors, count);
  counters.global_sectors += different;
  if (access != Access::write) block.sectors_read.insert(sectors.begin(), sectors.begin() + different);
  if (access != Access::read) block.sectors_written.insert(sectors.begin(), sectors.begin() + different);
}

// Accesses of 8 bytes are served in halves of a warp, those of 16 in quarters.
void count_shared(Block& block, Mask mask, const u64* addresses, u32 bytes) {
  Counters& counters = *block.counters;
  const int parts = bytes <= 4 ? 1 : static_cast<int>(bytes / 4);
  const int lanes = kLanes / parts;
  for (int part = 0; part < parts; ++part) {
    const Mask served = mask & ((lanes == kLanes ? kAllLanes : (Mask{1} << lanes) - 1) << (part * lanes));
    if (!served) continue;
    counters.shared_wavefronts += turns(served, addresses, bytes);
    ++counters.shared_ideal_wavefronts;
  }
  ++counters.shared_requests;
  counters.shared_bytes += static_cast<u64>(__builtin_popcount(mask)) * bytes;
}

}  // namespace simulated
