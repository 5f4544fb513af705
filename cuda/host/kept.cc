#include "host/kept.h"

#include <algorithm>
#include <utility>

namespace transfusion::cuda {

Status KeptMemory::get(std::string key, size_t bytes, void*& data, const std::function<Status(void*)>& make) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end()) {
    std::rotate(found, found + 1, entries_.end());
    data = entries_.back().data;
    return ok();
  }
  Entry& entry = renew(bytes);
  data = entry.data;
  Status status = make(data);
  if (!status.failed) entry.key = std::move(key);
  return status;
}

KeptMemory::Entry& KeptMemory::renew(size_t bytes) {
  if (entries_.size() < kEntries)
    entries_.emplace_back();
  else
    std::rotate(entries_.begin(), entries_.begin() + 1, entries_.end());
  Entry& entry = entries_.back();
  entry.key.clear();
  if (entry.capacity < bytes) {
    free(entry);
    entry.data = memory_.allocate(bytes);
    entry.capacity = bytes;
  }
  return entry;
}

void KeptMemory::clear() {
  for (Entry& entry : entries_) free(entry);
  entries_.clear();
}

void KeptMemory::free(Entry& entry) {
  if (entry.data) memory_.free(entry.data, std::exchange(entry.capacity, 0));
  entry.data = nullptr;
}

}  // namespace transfusion::cuda
