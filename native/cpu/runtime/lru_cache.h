// Values by key, of which only the most recently used are kept.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace transfusion::cpu {

// References stay valid until the next call of get.
template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

  // The value of a key, made by make(key) where it is missing.
  template <class Make>
  Value& get(const Key& key, const Make& make) {
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
    } else {
      entries_.emplace_front(key, make(key));
      index_.emplace(key, entries_.begin());
      if (entries_.size() > capacity_) {
        index_.erase(entries_.back().first);
        entries_.pop_back();
      }
    }
    return entries_.front().second;
  }

 private:
  using Entries = std::list<std::pair<Key, Value>>;
  size_t capacity_;
  Entries entries_;
  std::map<Key, typename Entries::iterator> index_;
};

}  // namespace transfusion::cpu
