// bar, barrier, and instructions that order nothing here: fences, since memory has one order; nanosleep.
#include "machine/barrier.h"

#include <algorithm>

#include "machine/families.h"
#include "machine/scheduler.h"

namespace simulated {

namespace {

enum class Arrival : u8 { sync, arrive, count, all, any };

// Instruction::variant: an Arrival and these.
constexpr u8 kAligned = 8, kNegated = 16, kCounted = 32;
constexpr u8 kArrival = 7;

// Of Instruction::operand.
constexpr size_t kBarrier = 0, kThreads = 1, kResult = 2, kVote = 3;

Arrival arrival_of(const Instruction& i) { return static_cast<Arrival>(i.variant & kArrival); }

size_t number_of(Warp& w, const Instruction& i, int lane) { return w.lanes<u32>(i.operand[kBarrier])[lane]; }

bool is_complete(const Block& block, const Barrier& barrier) {
  if (barrier.expected) return barrier.threads >= barrier.expected;
  for (const Warp& warp : block.warps)
    if (barrier.arrived[warp.index] != warp.alive) return false;
  return barrier.threads > 0;
}

void write_result(Warp& w, const Instruction& i, Mask mask, const Barrier& barrier) {
  const auto predicate = [&](bool value) {
    Mask& target = w.predicates[i.operand[kResult]];
    target = value ? target | mask : target & ~mask;
  };
  switch (arrival_of(i)) {
    case Arrival::count:
      assign(w.lanes<u32>(i.operand[kResult]), mask, [&](int) { return barrier.votes; });
      break;
    case Arrival::all:
      predicate(barrier.votes == barrier.threads);
      break;
    case Arrival::any:
      predicate(barrier.votes > 0);
      break;
    default:
      break;
  }
}

void complete(Block& block, size_t number) {
  Barrier& barrier = block.barriers[number];
  const Instruction* code = block.launch->function->code.data();
  Mask warps = 0;
  for (Warp& warp : block.warps) {
    bool goes_on = false;
    for (Group& group : warp.groups) {
      const Instruction& i = code[group.pc];
      if (!group.at_barrier || number_of(warp, i, __builtin_ctz(group.mask)) != number) continue;
      write_result(warp, i, group.mask, barrier);
      group.at_barrier = false;
      ++group.pc;
      goes_on = true;
    }
    if (!goes_on) continue;
    warps |= Mask{1} << warp.index;
    gather(warp);
    if (barrier.expected) block.global->clock().acquire(warp.clock, barrier.stamps);
  }
  if (!barrier.expected) barrier_complete(block, warps);
  barrier = {};
}

void complete_if_ready(Block& block, size_t number) {
  if (is_complete(block, block.barriers[number])) complete(block, number);
}

void nothing(Warp&, const Instruction&, Mask) {}

void trap(Warp& w, const Instruction& i, Mask mask) {
  fault(w, i, __builtin_ctz(mask), FaultKind::trap, "the kernel stops");
}

// barrier.sync a {, b}, barrier.arrive a, b, barrier.red.popc.u32 d, a {, b}, {!}c; bar means .aligned.
Handler decode_block_barrier(Decoding& decoding) {
  const Opcode& opcode = decoding.opcode;
  Instruction& i = decoding.instruction;
  Arrival arrival = Arrival::sync;
  if (opcode.has("arrive")) arrival = Arrival::arrive;
  if (opcode.has("popc")) arrival = Arrival::count;
  if (opcode.has("and")) arrival = Arrival::all;
  if (opcode.has("or")) arrival = Arrival::any;
  i.control = Control::barrier;
  i.variant = static_cast<u8>(arrival);
  if (opcode[0] == "bar" || opcode.has("aligned")) i.variant |= kAligned;
  const bool reduces = opcode.has("red");
  const size_t first = reduces ? 1 : 0, last = decoding.size() - first;
  i.operand[kBarrier] = decoding.reg(first, 32);
  if (last - first > 1 || (!reduces && last > 1)) {
    i.operand[kThreads] = decoding.reg(first + 1, 32);
    i.variant |= kCounted;
  }
  if (reduces) {
    i.operand[kResult] = arrival == Arrival::count ? decoding.target(0, 32) : decoding.predicate(0);
    i.operand[kVote] = decoding.predicate(last);
    if (decoding.is_negated(last)) i.variant |= kNegated;
  }
  return nothing;
}

}  // namespace

bool is_aligned(const Instruction& instruction) { return instruction.variant & kAligned; }

void arrive(Warp& warp, Group& group, const Instruction& i) {
  Block& block = *warp.block;
  const Mask mask = group.mask;
  const int first = __builtin_ctz(mask);
  const size_t number = number_of(warp, i, first);
  if (number >= kBarriers)
    fault(warp, i, first, FaultKind::deadlock, "barrier " + std::to_string(number) + " of 0 to 15");
  Barrier& barrier = block.barriers[number];
  if (barrier.arrived[warp.index] & mask)
    fault(warp, i, first, FaultKind::deadlock, "a second arrival at barrier " + std::to_string(number));
  barrier.arrived[warp.index] |= mask;
  if (i.variant & kCounted) {
    barrier.expected = warp.lanes<u32>(i.operand[kThreads])[first];
    block.global->clock().release(warp.clock, barrier.stamps);
  }
  barrier.threads += i.variant & kAligned ? kLanes : static_cast<u32>(__builtin_popcount(mask));
  const Arrival arrival = arrival_of(i);
  if (arrival >= Arrival::count) {
    const Mask votes = warp.predicates[i.operand[kVote]] ^ (i.variant & kNegated ? kAllLanes : 0);
    barrier.votes += static_cast<u32>(__builtin_popcount(votes & mask));
  }
  if (arrival == Arrival::arrive)
    ++group.pc;
  else
    group.at_barrier = true;
  complete_if_ready(block, number);
}

void check_barriers(Block& block) {
  for (size_t number = 0; number < kBarriers; ++number)
    if (block.barriers[number].threads > 0) complete_if_ready(block, number);
}

Handler decode_barrier(Decoding& decoding) {
  const std::string_view name = decoding.opcode[0];
  Instruction& i = decoding.instruction;
  i.klass = InstructionClass::barrier;
  if (name == "trap" || name == "brkpt") return trap;
  if (name != "bar" && name != "barrier") return nothing;
  if (decoding.opcode[1] != "warp") return decode_block_barrier(decoding);
  i.control = Control::warp_sync;
  i.operand[0] = decoding.reg(0, 32);
  i.member_mask = 0;
  return nothing;
}

}  // namespace simulated
