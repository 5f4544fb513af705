#include "shadow/global_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "machine/warp.h"
#include "shadow/runs.h"

namespace simulated {

namespace {

constexpr size_t kRange = size_t{1} << 38;  // of addresses of each kind
constexpr size_t kPages = 2 * kRange / 4096;

void* reserve_range(size_t bytes, int protection) {
  void* range = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::bad_alloc();
  return range;
}

// The bytes of device memory, then those of pinned memory.
u64 range_begin() {
  static const u64 begin = reinterpret_cast<u64>(reserve_range(2 * kRange, PROT_READ | PROT_WRITE));
  return begin;
}

const char* name_of(MemoryKind kind) { return kind == MemoryKind::device ? "device" : "pinned"; }

const Allocation* find_in(const std::map<u64, Allocation>& allocations, u64 address) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return nullptr;
  const Allocation& allocation = std::prev(after)->second;
  return address - allocation.address < allocation.bytes ? &allocation : nullptr;
}

}  // namespace

GlobalMemory::GlobalMemory(bool poisons)
    : poisons_(poisons),
      pages_(static_cast<Page**>(reserve_range(kPages * sizeof(Page*), PROT_READ | PROT_WRITE))) {
  range_begin();
}

GlobalMemory::~GlobalMemory() {
  for (const auto& [address, allocation] : live_) drop_pages(allocation);
  munmap(pages_, kPages * sizeof(Page*));
}

u64 GlobalMemory::reserve(size_t bytes, MemoryKind kind) {
  static std::atomic<u64> next[2];
  // The last page stays empty, between this and what comes next.
  const size_t span = (kSkew + bytes + kPage - 1) / kPage * kPage + kPage;
  const u64 offset = next[static_cast<int>(kind)].fetch_add(span);
  if (span > kRange || offset + span > kRange) throw std::bad_alloc();
  const bool device = kind == MemoryKind::device;
  return (range_begin() + (device ? 0 : kRange) + offset + kSkew) | (device ? kDeviceBit : 0);
}

void GlobalMemory::add(u64 address, size_t bytes, MemoryKind kind) {
  live_[address] = {address, bytes, kind};
  allocated_[static_cast<int>(kind)] += bytes;
  if (poisons_ && kind == MemoryKind::device) std::memset(host(address), 0xff, bytes);
}

bool GlobalMemory::remove(u64 address) {
  const auto found = live_.find(address);
  if (found == live_.end()) return false;
  const Allocation allocation = found->second;
  drop_pages(allocation);
  allocated_[static_cast<int>(allocation.kind)] -= allocation.bytes;
  live_.erase(found);
  freed_[address] = allocation;
  madvise(host(address) - kSkew, kSkew + allocation.bytes, MADV_DONTNEED);
  return true;
}

u64 GlobalMemory::allocate(size_t bytes, MemoryKind kind) {
  const u64 address = reserve(bytes, kind);
  add(address, bytes, kind);
  return address;
}

const Allocation* GlobalMemory::find(u64 address) const { return find_in(live_, address); }

bool GlobalMemory::contains(u64 address, size_t bytes) const {
  const Allocation* allocation = find(address);
  return allocation && bytes <= allocation->address + allocation->bytes - address;
}

size_t GlobalMemory::page_index(u64 address) { return ((address & ~kDeviceBit) - range_begin()) / kPage; }

GlobalMemory::Page* GlobalMemory::page(u64 address) {
  const size_t index = page_index(address);
  if (index >= kPages) return nullptr;
  return is_touched(pages_[index]) ? pages_[index] : make_page(address);
}

GlobalMemory::Page* GlobalMemory::make_page(u64 address) {
  const u64 begin = address / kPage * kPage;
  const auto after = live_.lower_bound(begin + kPage);
  if (after == live_.begin()) return nullptr;
  const Allocation& owner = std::prev(after)->second;
  if (owner.address + owner.bytes <= begin) return nullptr;
  Page*& entry = pages_[page_index(begin)];
  const bool written = entry || owner.kind == MemoryKind::pinned;
  return entry = new Page{&owner, GlobalCells(kPage, written ? kByHost : 0)};
}

void GlobalMemory::drop_pages(const Allocation& allocation) {
  each_page(allocation.address, allocation.bytes, [&](Page*& entry, u64, size_t) {
    if (is_touched(entry)) delete entry;
    entry = nullptr;
  });
}

// Calls visit(entry of pages_, address, bytes) for the part of the range in each page.
template <class Visit>
void GlobalMemory::each_page(u64 address, size_t bytes, Visit visit) {
  for (u64 at = address, end = address + bytes; at < end;) {
    const u64 next = std::min(end, (at / kPage + 1) * kPage);
    visit(pages_[page_index(at)], at, next - at);
    at = next;
  }
}

void GlobalMemory::mark_written(u64 address, size_t bytes) {
  each_page(address, bytes, [&](Page*& entry, u64 at, size_t n) {
    if (!is_touched(entry) && n == kPage)
      entry = reinterpret_cast<Page*>(kMark);
    else
      page(at)->cells.set_written(at % kPage, n, kByHost);
  });
}

bool GlobalMemory::is_written(u64 address, size_t bytes) {
  bool written = true;
  each_page(address, bytes, [&](Page*& entry, u64 at, size_t n) {
    if (is_touched(entry))
      written = written && entry->cells.is_written(at % kPage, n);
    else
      written = written && (entry || find(at)->kind == MemoryKind::pinned);
  });
  return written;
}

void GlobalMemory::copy_written(u64 target, u64 source, size_t bytes) {
  if (is_written(source, bytes)) return mark_written(target, bytes);
  while (bytes) {
    const size_t n = std::min({bytes, kPage - target % kPage, kPage - source % kPage});
    page(target)->cells.copy_written(target % kPage, page(source)->cells, source % kPage, n);
    target += n;
    source += n;
    bytes -= n;
  }
}

void GlobalMemory::check(u64 address, size_t bytes, const std::string& what) const {
  if (contains(address, bytes) || !bytes) return;
  u64 first = address;
  if (const Allocation* allocation = find(address)) first = allocation->address + allocation->bytes;
  const AccessFault fault = out_of_range(first, bytes, 0);
  throw Fault(fault.kind, std::string(name(fault.kind)) + ": " + what + ": " + fault.what);
}

void GlobalMemory::access(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses,
                          u32 bytes, Access access) {
  const Options& options = *warp.block->options;
  try {
    each_run(mask, addresses, bytes, [&](const Run& run) {
      access_run(warp.clock, options, access, run.address, run.bytes, run.lane, bytes);
    });
  } catch (const AccessFault& wrong) {
    fault(warp, instruction, wrong.lane, wrong.kind, wrong.what);
  }
}

void GlobalMemory::access_run(const WarpClock& clock, const Options& options, Access access, u64 address,
                              size_t bytes, int lane, u32 bytes_of_lane) {
  const auto lane_of = [=, begin = address](u64 at) {
    return lane + static_cast<int>((std::max(at, begin) - begin) / bytes_of_lane);
  };
  while (true) {
    Page* const page = this->page(address);
    if (!page) throw out_of_range(address, bytes_of_lane, lane_of(address));
    const Allocation& owner = *page->owner;
    if (address < owner.address) throw out_of_range(address, bytes_of_lane, lane_of(address));
    if (const u64 end = owner.address + owner.bytes; address + bytes > end)
      throw out_of_range(std::max(address, end), bytes_of_lane, lane_of(end));
    const size_t offset = address % kPage, n = std::min(bytes, kPage - offset);
    if (options.check) {
      page->cells.resolve(offset, n);
      if (const auto found = page->cells.access(clock, access, offset, n)) [[unlikely]] {
        const u64 at = std::max(address, address - offset + found->byte);
        throw conflict(*found, clock, access, at, lane_of(at));
      }
    }
    if (n == bytes) return;
    lane = lane_of(address + n);
    address += n;
    bytes -= n;
  }
}

void GlobalMemory::begin_launch() {
  if (clock_.nearly_exhausted()) {
    clock_.restart();
    for (const auto& [address, allocation] : live_)
      each_page(address, allocation.bytes, [&](Page*& entry, u64, size_t) {
        if (is_touched(entry)) entry->cells.forget();
      });
  }
  blocks_.clear();
  clock_.begin_launch();
}

void GlobalMemory::begin_block(u64 number, WarpClock* const* warps, unsigned count) {
  clock_.begin_block({warps, count});
  blocks_.emplace_back(warps[0]->block_begin(), number);
}

std::string GlobalMemory::describe(u64 address) const {
  char number[32];
  std::snprintf(number, sizeof number, "%#llx", static_cast<unsigned long long>(address));
  const auto text = [&](const Allocation& allocation, const char* freed) {
    const u64 begin = allocation.address, end = begin + allocation.bytes;
    const std::string where = address >= end    ? std::to_string(address - end) + " bytes after the end"
                              : address < begin ? std::to_string(begin - address) + " bytes before the begin"
                                                : "byte " + std::to_string(address - begin);
    return std::string("address ") + number + ", " + where + " of " + std::to_string(allocation.bytes) +
           " bytes of " + freed + name_of(allocation.kind) + " memory";
  };
  if (const Allocation* allocation = find(address)) return text(*allocation, "");
  if (const Allocation* allocation = find_in(freed_, address)) return text(*allocation, "freed ");
  constexpr u64 kNear = u64{1} << 24;
  const Allocation* nearest = nullptr;
  u64 distance = kNear;
  const auto after = live_.upper_bound(address);
  if (after != live_.end() && after->first - address < distance) {
    nearest = &after->second;
    distance = after->first - address;
  }
  if (after != live_.begin()) {
    const Allocation& before = std::prev(after)->second;
    if (address - before.address - before.bytes < distance) nearest = &before;
  }
  return nearest ? text(*nearest, "") : std::string("address ") + number + ", which no allocation is near";
}

AccessFault GlobalMemory::out_of_range(u64 address, size_t bytes, int lane) const {
  const FaultKind kind = find_in(freed_, address) ? FaultKind::use_after_free : FaultKind::out_of_bounds;
  return {kind, std::to_string(bytes) + " bytes at " + describe(address), lane};
}

std::string GlobalMemory::actor(Epoch epoch, const WarpClock& clock) const {
  if (!clock.of_other_block(epoch)) return "warp " + std::to_string(warp_of(epoch)) + " of the block";
  const auto after = std::upper_bound(blocks_.begin(), blocks_.end(), std::pair{epoch, ~u64{0}});
  return "block " + std::to_string(std::prev(after)->second);
}

AccessFault GlobalMemory::conflict(const Conflict& conflict, const WarpClock& clock, Access access,
                                   u64 address, int lane) const {
  if (conflict.kind == Conflict::unwritten) return {FaultKind::uninitialised_read, describe(address), lane};
  const char* verb = conflict.kind == Conflict::after_read ? " has read" : " has written";
  return {FaultKind::data_race,
          std::string(name_of(access)) + " of " + describe(address) + ", which " +
              actor(conflict.other, clock) + verb + ": nothing orders the two",
          lane};
}

}  // namespace simulated
