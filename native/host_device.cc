#include "host_device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace transfusion {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstChunk = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

}  // namespace

void Arena::Free::operator()(void* data) const { std::free(data); }

void* Arena::allocate(size_t bytes) {
  bytes = round_up(bytes, kAlignment);
  if (chunks_.empty() || used_ + bytes > capacity_) {
    const size_t capacity = std::max({kFirstChunk, 2 * capacity_, bytes});
    void* data = std::aligned_alloc(kAlignment, capacity);
    if (!data) throw std::bad_alloc();
    chunks_.emplace_back(data);
    capacity_ = capacity;
    used_ = 0;
  }
  void* result = static_cast<char*>(chunks_.back().get()) + used_;
  used_ += bytes;
  return result;
}

void Arena::reset() {
  if (chunks_.size() > 1) chunks_.erase(chunks_.begin(), chunks_.end() - 1);
  used_ = 0;
}

HostDevice::HostDevice() {
  context_.arena = &arena_;
  context_.allocate = [](void* arena, size_t bytes) { return static_cast<Arena*>(arena)->allocate(bytes); };
}

// Large blocks lie in huge pages.
void* HostDevice::allocate(size_t bytes) {
  if (bytes < kHugePage) return std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  void* data = std::aligned_alloc(kHugePage, round_up(bytes, kHugePage));
#ifdef MADV_HUGEPAGE
  if (data) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

HostBuffer HostDevice::allocate_host(size_t bytes) {
  void* data = std::malloc(std::max<size_t>(bytes, 1));
  if (!data) throw std::bad_alloc();
  return {std::shared_ptr<void>(data, std::free), bytes};
}

void HostDevice::free(void* data, size_t) { std::free(data); }

void HostDevice::upload(void* target, const HostBuffer& source) {
  if (source.bytes > 0) std::memcpy(target, source.data.get(), source.bytes);
}

void HostDevice::read(const HostBuffer& target, const void* source) {
  if (target.bytes > 0) std::memcpy(target.data.get(), source, target.bytes);
}

void HostDevice::start_timing() {
  timing_ = true;
  outcome_.start = Clock::now();
}

void HostDevice::end(Done done, bool) {
  if (timing_) outcome_.end = Clock::now();
  timing_ = false;
  arena_.reset();
  done(outcome_);
}

}  // namespace transfusion
