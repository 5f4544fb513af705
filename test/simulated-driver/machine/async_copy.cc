// cp.async: copies from global to shared memory that end when they are waited for, as late as the PTX allows.
// A lane's wait covers what the lane itself has copied; other warps see it after a barrier.
#include <algorithm>
#include <cstring>

#include "machine/count_memory.h"
#include "machine/instruction_set.h"

namespace simulated {

namespace {

// Layout of operands: addresses of target and source; the number of bytes to read, or whether to read none.
enum : u8 { kWholeSource, kSourceBytes, kIgnoreSource };
constexpr int kTarget = 0, kSource = 1, kLimit = 2, kTargetBits = 3, kSourceOffset = 4;

void read_source(Warp& warp, const Instruction& i, WarpCopies::Batch& batch) {
  Mask whole = 0;
  for_each_lane(batch.mask, [&](int lane) {
    if (batch.source_bytes[lane] == i.bytes) whole |= Mask{1} << lane;
    if (batch.source[lane] % i.bytes)
      fault(warp, i, lane, FaultKind::misaligned,
            "source of an asynchronous copy of " + std::to_string(i.bytes) + " bytes");
  });
  GlobalMemory& memory = *warp.block->global;
  if (whole) memory.access(warp, i, whole, batch.source, i.bytes, Access::read);
  for_each_lane(batch.mask & ~whole, [&](int lane) {
    // The source is aligned to more than the steps.
    const u32 bytes = batch.source_bytes[lane], step = bytes & -bytes;
    u64 addresses[kLanes];
    for (u32 at = 0; at < bytes; at += step) {
      addresses[lane] = batch.source[lane] + at;
      memory.access(warp, i, Mask{1} << lane, addresses, step, Access::read);
    }
  });
  for_each_lane(batch.mask, [&](int lane) {
    std::memset(batch.value[lane], 0, i.bytes);
    if (batch.source_bytes[lane] == 0) return;  // then there may be no source
    std::memcpy(batch.value[lane], GlobalMemory::host(batch.source[lane]), batch.source_bytes[lane]);
  });
}

void count(Block& block, const WarpCopies::Batch& batch, u32 bytes) {
  Mask reading = 0;
  for_each_lane(batch.mask, [&](int lane) { reading |= Mask{batch.source_bytes[lane] != 0} << lane; });
  if (reading) count_global(block, reading, batch.source, bytes, Access::read);
  count_shared(block, batch.mask, batch.target, bytes);
}

void copy_async(Warp& warp, const Instruction& i, Mask mask) {
  WarpCopies& copies = warp.copies;
  WarpCopies::Batch& batch = copies.batches.emplace_back();
  batch.instruction = &i;
  batch.mask = mask;
  std::copy_n(copies.committed, kLanes, batch.group);
  const u64* source = warp.lanes<u64>(i.operand[kSource]);
  const i64 source_offset = static_cast<i32>(i.operand[kSourceOffset]);
  for (int lane = 0; lane < kLanes; ++lane) {
    batch.target[lane] = i.operand[kTargetBits] == 64
                             ? warp.lanes<u64>(i.operand[kTarget])[lane] + i.immediate
                             : warp.lanes<u32>(i.operand[kTarget])[lane] + static_cast<u32>(i.immediate);
    batch.source[lane] = source[lane] + source_offset;
    batch.source_bytes[lane] = i.bytes;
  }
  if (i.variant == kIgnoreSource) {
    for_each_lane(mask & warp.predicates[i.operand[kLimit]], [&](int lane) { batch.source_bytes[lane] = 0; });
  } else if (i.variant == kSourceBytes) {
    const u32* limit = warp.lanes<u32>(i.operand[kLimit]);
    for_each_lane(mask, [&](int lane) {
      if (limit[lane] > i.bytes)
        fault(warp, i, lane, FaultKind::out_of_bounds,
              "an asynchronous copy reads " + std::to_string(limit[lane]) + " bytes to write " +
                  std::to_string(i.bytes));
      batch.source_bytes[lane] = static_cast<u8>(limit[lane]);
    });
  }
  read_source(warp, i, batch);
  warp.block->shared.begin_copies(warp, i, mask, batch.target, i.bytes);
  if (warp.block->options->count) count(*warp.block, batch, i.bytes);
}

void land(Warp& warp, const Instruction& wait, WarpCopies::Batch& batch, Mask mask) {
  const Instruction& i = *batch.instruction;
  SharedMemory& shared = warp.block->shared;
  for_each_lane(mask, [&](int lane) {
    if (batch.source_bytes[lane] != 0 &&
        std::memcmp(batch.value[lane], GlobalMemory::host(batch.source[lane]), batch.source_bytes[lane]) != 0)
      fault(warp, wait, lane, FaultKind::copy_in_flight,
            "the source of the asynchronous copy of " + place(warp, i) +
                " was written before the copy was waited for");
    std::memcpy(shared.data() + batch.target[lane], batch.value[lane], i.bytes);
  });
  shared.end_copies(warp, mask, batch.target, i.bytes);
  batch.mask &= ~mask;
}

void commit_group(Warp& warp, const Instruction&, Mask mask) {
  for_each_lane(mask, [&](int lane) { ++warp.copies.committed[lane]; });
}

// All groups but the latest `immediate` ones.
void wait_group(Warp& warp, const Instruction& i, Mask mask) {
  auto& batches = warp.copies.batches;
  for (WarpCopies::Batch& batch : batches) {
    Mask done = 0;
    for_each_lane(batch.mask & mask, [&](int lane) {
      done |= Mask{batch.group[lane] + i.immediate < warp.copies.committed[lane]} << lane;
    });
    if (done) land(warp, i, batch, done);
  }
  std::erase_if(batches, [](const WarpCopies::Batch& batch) { return !batch.mask; });
}

void wait_all(Warp& warp, const Instruction& i, Mask mask) {
  commit_group(warp, i, mask);
  wait_group(warp, i, mask);
}

}  // namespace

Handler decode_async_copy(Decoding& d) {
  const Opcode& opcode = d.opcode;
  if (opcode[1] != "async") return nullptr;
  Instruction& i = d.instruction;
  i.klass = InstructionClass::async_copy;
  if (opcode[2] == "commit_group") return commit_group;
  if (opcode[2] == "wait_all") return wait_all;
  if (opcode[2] == "wait_group") {
    i.immediate = d.constant(0);
    return wait_group;
  }
  const bool all_levels = opcode[2] == "ca";
  if (!all_levels && opcode[2] != "cg") return nullptr;
  if ((opcode[3] != "shared" && opcode[3] != "shared::cta") || opcode[4] != "global") return nullptr;
  const Address target = d.address(0), source = d.address(1);
  const i64 bytes = d.constant(2);
  if (bytes != 16 && !(all_levels && (bytes == 4 || bytes == 8))) d.fail("copies 4, 8 or 16 bytes, cg 16");
  if (source.bits != 64) d.fail("addresses of global memory have 64 bits");
  i.bytes = static_cast<u8>(bytes);
  i.operand[kTarget] = target.base;
  i.operand[kTargetBits] = target.bits;
  i.immediate = target.offset;
  i.operand[kSource] = source.base;
  i.operand[kSourceOffset] = static_cast<u32>(source.offset);
  // What follows the number of bytes, but for a policy of the cache.
  const size_t operands = d.size() - opcode.has("L2::cache_hint");
  if (operands == 3) {
    i.variant = kWholeSource;
  } else if (d.bits(3) == 1) {
    i.variant = kIgnoreSource;
    i.operand[kLimit] = d.predicate(3);
  } else {
    i.variant = kSourceBytes;
    i.operand[kLimit] = d.reg(3, 32);
  }
  return copy_async;
}

}  // namespace simulated
