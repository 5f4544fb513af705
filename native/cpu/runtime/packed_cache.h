// Weights packed into the format that a primitive prefers. In training they change between two uses and are
// packed into scratch each time; where they are found unchanged, as in sampling, the packed ones are kept, if
// packing them again would take a notable part of the time.
#pragma once

#include <compare>
#include <memory>
#include <new>
#include <utility>

#include "cpu/runtime/lru_cache.h"
#include "kernel_types.h"

namespace transfusion::cpu {

// Kernels run on the stream's thread alone.
template <class Primitive>
class PackedCache {
 public:
  // Keeps at most `capacity` packed weights, of at most `limit` bytes together.
  PackedCache(size_t capacity, size_t limit) : limit_(limit), cache_(capacity) {}

  // What pack(target) makes of the weights, which are multiplied with `rows` rows; valid until the kernel
  // returns.
  template <class Pack>
  void* get(Context& context, const Primitive& primitive, const In& weight, i64 rows, size_t bytes,
            const Pack& pack) {
    if (rows >= kManyRows) return packed_to_scratch(context, bytes, pack);
    Entry& entry = cache_.get({primitive, weight.data}, [](const Key&) { return Entry{}; });
    const bool unchanged = weight.version != 0 && entry.version == weight.version;
    if (!unchanged) {
      entry.kept.reset();
      entry.version = weight.version;
    } else if (!entry.kept && held_ + bytes <= limit_) {
      // Kept once it is packed, whatever is thrown on the way.
      Kept kept(::operator new(bytes, kAlignment), Release{&held_, bytes});
      held_ += bytes;
      pack(kept.get());
      entry.kept = std::move(kept);
    }
    return entry.kept ? entry.kept.get() : packed_to_scratch(context, bytes, pack);
  }

 private:
  // Packing reads and writes each weight once or twice, and takes a few percent of so many products with it.
  static constexpr i64 kManyRows = 1024;
  static constexpr std::align_val_t kAlignment{64};

  struct Key {
    Primitive primitive;
    const void* weight;
    auto operator<=>(const Key&) const = default;
  };
  struct Release {
    size_t* held = nullptr;
    size_t bytes = 0;
    void operator()(void* data) const {
      *held -= bytes;
      ::operator delete(data, kAlignment);
    }
  };
  using Kept = std::unique_ptr<void, Release>;

  template <class Pack>
  static void* packed_to_scratch(Context& context, size_t bytes, const Pack& pack) {
    void* packed = context.scratch<char>(static_cast<i64>(bytes));
    pack(packed);
    return packed;
  }

  struct Entry {
    u64 version = 0;
    Kept kept;
  };

  size_t limit_, held_ = 0;
  LruCache<Key, Entry> cache_;
};

}  // namespace transfusion::cpu
