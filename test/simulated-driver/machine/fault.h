// What a kernel did wrong: ends the launch.
#pragma once

#include <stdexcept>
#include <string>

#include "ptx/types.h"

namespace simulated {

struct Block;
struct Instruction;
struct Warp;

enum class FaultKind : u8 {
  out_of_bounds,
  misaligned,
  use_after_free,
  uninitialised_read,
  data_race,
  copy_in_flight,
  divergent_barrier,
  wrong_mask,
  deadlock,
  parameters,
  shared_memory,
  launch,
  trap,
};

// "data race", as messages begin.
const char* name(FaultKind kind);

struct Fault : std::runtime_error {
  Fault(FaultKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  FaultKind kind;
};

// "KIND: what, at cuda/rms_norm.cu:42 in rms_norm_f32, block (0, 0, 0), thread (5, 0, 0)"
[[noreturn]] void fault(const Warp& warp, const Instruction& instruction, int lane, FaultKind kind,
                        const std::string& what);
// Of a launch that does not begin: "KIND: what, of rms_norm_f32".
[[noreturn]] void fault(const std::string& kernel, FaultKind kind, const std::string& what);

// "cuda/rms_norm.cu:42", or the line of the PTX where the source is unknown.
std::string place(const Warp& warp, const Instruction& instruction);
// "thread (5, 0, 0)"
std::string thread_name(const Warp& warp, int lane);

}  // namespace simulated
