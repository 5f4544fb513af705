#include "machine/fault.h"

#include "machine/warp.h"

namespace simulated {

const char* name(FaultKind kind) {
  switch (kind) {
    case FaultKind::out_of_bounds:
      return "out of bounds";
    case FaultKind::misaligned:
      return "misaligned";
    case FaultKind::use_after_free:
      return "use after free";
    case FaultKind::uninitialised_read:
      return "uninitialised read";
    case FaultKind::data_race:
      return "data race";
    case FaultKind::copy_in_flight:
      return "copy in flight";
    case FaultKind::divergent_barrier:
      return "divergent barrier";
    case FaultKind::wrong_mask:
      return "wrong mask";
    case FaultKind::deadlock:
      return "deadlock";
    case FaultKind::parameters:
      return "parameters";
    case FaultKind::shared_memory:
      return "shared memory";
    case FaultKind::launch:
      return "launch";
    case FaultKind::trap:
      return "trap";
  }
  return "";
}

static std::string triple(u64 x, u64 y, u64 z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string thread_name(const Warp& warp, int lane) {
  const Dimensions& size = warp.block->launch->block;
  const u64 thread = u64{warp.index} * kLanes + lane;
  return "thread " + triple(thread % size.x, thread / size.x % size.y, thread / size.x / size.y);
}

std::string place(const Warp& warp, const Instruction& instruction) {
  const Function& function = *warp.block->launch->function;
  const SourceLine& source = instruction.source;
  if (source.line == 0) return "line " + std::to_string(instruction.text) + " of the PTX";
  return function.module->files[source.file] + ":" + std::to_string(source.line);
}

void fault(const Warp& warp, const Instruction& instruction, int lane, FaultKind kind,
           const std::string& what) {
  const Block& block = *warp.block;
  throw Fault(kind, std::string(name(kind)) + ": " + what + ", at " + place(warp, instruction) + " in " +
                        block.launch->function->name + ", block " +
                        triple(block.index.x, block.index.y, block.index.z) + ", " + thread_name(warp, lane));
}

void fault(const std::string& kernel, FaultKind kind, const std::string& what) {
  throw Fault(kind, std::string(name(kind)) + ": " + what + ", of " + kernel);
}

}  // namespace simulated
