#include "pool.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>

namespace transfusion {
namespace {

constexpr size_t kAlignment = 64;

// Sizes are rounded up to an eighth of their power of two, so that calls of nearly equal shapes share blocks.
size_t round_up(size_t bytes) {
  const size_t step = std::max(kAlignment, std::bit_floor(std::max<size_t>(bytes, 1)) / 8);
  return (std::max<size_t>(bytes, 1) + step - 1) / step * step;
}

std::string mebibytes(size_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

size_t control_group_limit() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    size_t limit;
    if (file >> limit) return limit;  // "max" is no number
  }
  return SIZE_MAX;
}

}  // namespace

Block* Pool::take(size_t bytes, std::vector<Block*>& evicted) {
  const size_t size = round_up(bytes);
  std::lock_guard lock(mutex_);
  Block* block;
  const auto found = cached_.lower_bound(size);
  // A block may have been cached before the limit was lowered.
  if (found != cached_.end() && found->first <= size + size / 4 &&
      stats_.live + stats_.scratch + found->first <= stats_.limit) {
    block = found->second;
    cached_.erase(found);
    stats_.cached -= block->bytes;
  } else {
    make_room(size, bytes, evicted);
    block = new Block;
    block->bytes = size;
  }
  stats_.live += block->bytes;
  stats_.peak = std::max(stats_.peak, stats_.live + stats_.scratch);
  return block;
}

void Pool::take_scratch(size_t bytes, std::vector<Block*>& evicted) {
  std::lock_guard lock(mutex_);
  make_room(bytes, bytes, evicted);
  stats_.scratch += bytes;
  stats_.peak = std::max(stats_.peak, stats_.live + stats_.scratch);
}

void Pool::give_back_scratch(size_t bytes) {
  std::lock_guard lock(mutex_);
  stats_.scratch -= bytes;
}

void Pool::make_room(size_t size, size_t asked, std::vector<Block*>& evicted) {
  const size_t used = stats_.live + stats_.scratch;
  if (used + size > stats_.limit)
    throw MemoryLimitReached(
        "out of memory: " + mebibytes(asked) + " asked, " + mebibytes(stats_.live) + " live, " +
        (stats_.scratch > 0 ? mebibytes(stats_.scratch) + " scratch of kernels, " : std::string()) +
        mebibytes(stats_.cached) + " cached, the limit is " + mebibytes(stats_.limit));
  while (used + stats_.cached + size > stats_.limit) evicted.push_back(evict_largest());
}

void Pool::give_back(Block* block) {
  std::lock_guard lock(mutex_);
  stats_.live -= block->bytes;
  stats_.cached += block->bytes;
  cached_.emplace(block->bytes, block);
}

void Pool::forget(Block* block) {
  std::lock_guard lock(mutex_);
  stats_.live -= block->bytes;
  delete block;
}

std::vector<Block*> Pool::trim() {
  std::lock_guard lock(mutex_);
  std::vector<Block*> blocks;
  while (!cached_.empty()) blocks.push_back(evict_largest());
  return blocks;
}

Block* Pool::evict_largest() {
  const auto last = std::prev(cached_.end());
  Block* block = last->second;
  cached_.erase(last);
  stats_.cached -= block->bytes;
  return block;
}

MemoryStats Pool::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

void Pool::set_limit(size_t bytes) {
  std::lock_guard lock(mutex_);
  stats_.limit = bytes;
}

size_t default_memory_limit() {
  const size_t physical =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  return std::min(physical, control_group_limit()) / 10 * 9;
}

}  // namespace transfusion
