#include "shadow/shared_memory.h"

#include <algorithm>
#include <cstring>

#include "machine/warp.h"
#include "shadow/runs.h"

namespace simulated {

namespace {

AccessFault describe(const Conflict& conflict, Access access, int lane) {
  const std::string where = "shared address " + std::to_string(conflict.byte);
  const std::string other = "warp " + std::to_string(warp_of(conflict.other));
  if (conflict.kind == Conflict::unwritten) return {FaultKind::uninitialised_read, where, lane};
  if (conflict.kind == Conflict::in_flight)
    return {FaultKind::copy_in_flight,
            std::string(name_of(access)) + " of " + where + ", into which " + other +
                " has begun an asynchronous copy that it has not waited for",
            lane};
  if (conflict.kind == Conflict::after_lane)
    return {FaultKind::data_race,
            std::string(name_of(access)) + " of " + where + ", which lane " + std::to_string(conflict.other) +
                " of the warp has written: no __syncwarp lies between the two",
            lane};
  return {FaultKind::data_race,
          std::string(name_of(access)) + " of " + where + ", which " + other +
              (conflict.kind == Conflict::after_read ? " has read" : " has written") +
              ": no barrier lies between the two",
          lane};
}

}  // namespace

void SharedMemory::reset(size_t bytes) { bytes_.assign(bytes, 0xff); }

void SharedMemory::begin_block(unsigned warps) {
  if (!cells_ || cells_->bytes() < size() || cells_->warps() != warps)
    cells_.emplace(size(), warps);
  else
    cells_->begin_block();
}

void SharedMemory::access(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses,
                          u32 bytes, Access access) {
  const Options& options = *warp.block->options;
  try {
    each_run(mask, addresses, bytes,
             [&](const Run& run) { access_run(warp.clock, options, access, run, bytes); });
  } catch (const AccessFault& wrong) {
    fault(warp, instruction, wrong.lane, wrong.kind, wrong.what);
  }
}

void SharedMemory::access_run(const WarpClock& clock, const Options& options, Access access, const Run& run,
                              u32 bytes_of_lane) {
  const auto [address, bytes, lane, several] = run;
  if (address > size() || bytes > size() - address) {
    const u64 inside = address > size() ? 0 : (size() - address) / bytes_of_lane;
    throw AccessFault{FaultKind::out_of_bounds,
                      std::to_string(bytes_of_lane) + " bytes at shared address " +
                          std::to_string(address + inside * bytes_of_lane) + " of " + std::to_string(size()),
                      lane + static_cast<int>(inside)};
  }
  if (!options.check) return;
  cells_->resolve(address, bytes);
  auto conflict = cells_->access(clock, access, address, bytes);
  if (!conflict) conflict = cells_->access_lanes(clock, access, address, bytes, lane, bytes_of_lane, several);
  if (!conflict) [[likely]]
    return;
  if (options.equal_writes && access == Access::write && conflict->kind == Conflict::after_write)
    return cells_->set_written(address, bytes, clock.now());
  conflict->byte = std::max(conflict->byte, static_cast<size_t>(address));
  throw describe(*conflict, access, lane + static_cast<int>((conflict->byte - address) / bytes_of_lane));
}

void SharedMemory::begin_copies(Warp& warp, const Instruction& instruction, Mask mask, const u64* addresses,
                                u32 bytes) {
  access(warp, instruction, mask, addresses, bytes, Access::write);
  each_run(mask, addresses, bytes, [&](const Run& run) {
    if (warp.block->options->check) cells_->set_written(run.address, run.bytes, kInFlight | warp.index);
    std::memset(data() + run.address, 0xff, run.bytes);
  });
}

void SharedMemory::end_copies(const Warp& warp, Mask mask, const u64* addresses, u32 bytes) {
  if (!warp.block->options->check) return;
  each_run(mask, addresses, bytes, [&](const Run& run) {
    cells_->set_written(run.address, run.bytes, warp.clock.now());
    cells_->set_lanes(warp.clock, run.address, run.bytes, run.lane, bytes);
  });
}

}  // namespace simulated
