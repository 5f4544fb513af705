#include "driver/addresses.h"

#include <algorithm>
#include <iterator>

namespace simulated {

HandedOut& Addresses::add(const HandedOut& allocation) { return allocations_[allocation.base] = allocation; }

void Addresses::remove(uint64_t base) { allocations_.erase(base); }

HandedOut* Addresses::find(uint64_t address) {
  const auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  HandedOut& allocation = std::prev(after)->second;
  return address < allocation.base + std::max<size_t>(allocation.bytes, 1) ? &allocation : nullptr;
}

}  // namespace simulated
