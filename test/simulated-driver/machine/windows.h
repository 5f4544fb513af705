// Generic addresses: of global memory as they are; each other space has a window, its own addresses begin
// at 0.
#pragma once

#include "ptx/declaration.h"

namespace simulated {

inline constexpr u64 kSharedWindow = u64{1} << 60;
inline constexpr u64 kLocalWindow = u64{1} << 59;
inline constexpr u64 kParameterWindow = u64{1} << 58;
inline constexpr u64 kConstantWindow = u64{1} << 57;

constexpr u64 window_of(Space space) {
  return space == Space::shared      ? kSharedWindow
         : space == Space::local     ? kLocalWindow
         : space == Space::parameter ? kParameterWindow
         : space == Space::constant  ? kConstantWindow
                                     : 0;
}

constexpr Space space_of(u64 address) {
  // Bit 62 is of device memory.
  if (address >> 62 & 1) return Space::global;
  for (const Space space : {Space::shared, Space::local, Space::parameter, Space::constant})
    if (address & window_of(space)) return space;
  return Space::global;
}

// "shared" of ld.shared; generic where it is no space.
constexpr Space space_named(std::string_view word) {
  return word == "global"   ? Space::global
         : word == "shared" ? Space::shared
         : word == "local"  ? Space::local
         : word == "param"  ? Space::parameter
         : word == "const"  ? Space::constant
                            : Space::generic;
}

// The space that an opcode names. "shared::cta" is shared.
template <class Opcode>
Space space_of_opcode(const Opcode& opcode) {
  for (const std::string_view word : opcode.words)
    if (const Space space = space_named(word.substr(0, word.find("::"))); space != Space::generic)
      return space;
  return Space::generic;
}

}  // namespace simulated
