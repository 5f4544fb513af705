// Memory that was handed out, by address: what calls can know of it, without the order of streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace simulated {

struct Device;
struct Pool;

struct HandedOut {
  enum class Kind { device, pool, host, registered, global };
  uint64_t base = 0;
  size_t bytes = 0;
  Kind kind = Kind::device;
  Device* device = nullptr;
  Pool* pool = nullptr;
  bool freed = false;
  unsigned flags = 0;  // of cuMemHostAlloc

  bool on_host() const { return kind == Kind::host || kind == Kind::registered; }
};

class Addresses {
 public:
  HandedOut& add(const HandedOut& allocation);
  void remove(uint64_t base);
  // What an address lies in, freed ones too; null: nothing that the driver knows.
  HandedOut* find(uint64_t address);
  std::map<uint64_t, HandedOut>& all() { return allocations_; }

 private:
  std::map<uint64_t, HandedOut> allocations_;
};

}  // namespace simulated
