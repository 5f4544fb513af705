// Memory that was handed out, by address. Device addresses have a bit that no address of the host has, so that
// the host cannot read what lies there. No address is used twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace simulated {

struct Device;
struct Pool;

constexpr uint64_t kDeviceBit = uint64_t{1} << 62;

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
  // A new one of device memory, a multiple of 256.
  uint64_t take(size_t bytes);
  // The pages may be used for something else.
  static void give_back(uint64_t address, size_t bytes);

  HandedOut& add(const HandedOut& allocation);
  void remove(uint64_t base);
  // What an address lies in, freed ones too; null: nothing that the driver knows.
  HandedOut* find(uint64_t address);
  std::map<uint64_t, HandedOut>& all() { return allocations_; }

 private:
  std::map<uint64_t, HandedOut> allocations_;
  uint64_t next_ = 0, end_ = 0;
};

}  // namespace simulated
