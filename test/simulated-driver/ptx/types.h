// Words of the whole simulator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simulated {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

inline constexpr int kLanes = 32;
using Mask = u32;  // of lanes: bit i is lane i
inline constexpr Mask kAllLanes = ~Mask{0};

struct Dimensions {
  u32 x = 1, y = 1, z = 1;
  u64 count() const { return u64{x} * y * z; }
};

}  // namespace simulated
