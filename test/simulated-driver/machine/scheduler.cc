#include "machine/scheduler.h"

#include <algorithm>
#include <limits>
#include <string>

namespace simulated {

namespace {

constexpr u32 kLongestTurn = 256;
// Billions of instructions: who waits for another block, which comes later, waits for ever.
constexpr u64 kMostTurns = u64{1} << 24;
constexpr i32 kNowhere = std::numeric_limits<i32>::max();
// One in so many turns of a warp goes to the group that is furthest ahead, so that lanes which wait for
// others in a loop do not keep those from running.
constexpr u32 kTurnsOfTheLast = 16;

std::string hexadecimal(Mask mask) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[mask >> shift & 15];
  return text;
}

bool can_run(const Group& group) { return !group.at_barrier && !group.stuck; }

// Lanes of the mask go to `target`, the others of the group to the next instruction.
void jump(Warp& w, Group& group, Mask mask, i32 target) {
  if (mask == group.mask) {
    group.pc = target;
  } else if (mask == 0) {
    ++group.pc;
  } else {
    group.mask &= ~mask;
    ++group.pc;
    w.groups.push_back({target, mask});
    gather(w);
  }
}

// Each lane of the mask goes where `target_of` says.
template <class TargetOf>
void jump_each(Warp& w, Group& group, Mask mask, TargetOf target_of) {
  std::vector<Group> others;
  Mask rest = mask;
  while (rest) {
    const i32 target = target_of(__builtin_ctz(rest));
    Mask same = 0;
    for_each_lane(rest, [&](int lane) { same |= static_cast<Mask>(target_of(lane) == target) << lane; });
    others.push_back({target, same});
    rest &= ~same;
  }
  group.mask &= ~mask;
  ++group.pc;
  w.groups.insert(w.groups.end(), others.begin(), others.end());
  gather(w);
}

void end_lanes(Warp& w, Group& group, Mask mask) {
  w.alive &= ~mask;
  group.mask &= ~mask;
  ++group.pc;
  for (Group& other : w.groups) other.stuck = false;
  gather(w);
  check_barriers(*w.block);
}

// Lanes wait until all that their masks name are here, then run the instruction together.
void run_with_members(Warp& w, Group& group, const Instruction& i, Mask mask) {
  const u32* members = w.lanes<u32>(i.operand[i.member_mask]);
  Mask done = group.mask & ~mask;
  for (Mask rest = mask; rest;) {
    const int first = __builtin_ctz(rest);
    const Mask named = members[first];
    Mask same = 0;
    for_each_lane(rest, [&](int lane) { same |= static_cast<Mask>(members[lane] == named) << lane; });
    rest &= ~same;
    if (same & ~named) {
      const int lane = __builtin_ctz(same & ~named);
      fault(w, i, lane, FaultKind::wrong_mask,
            "lane " + std::to_string(lane) + " is not in its own mask " + hexadecimal(named));
    }
    if (named & w.alive & ~same) continue;
    warp_sync(w);
    i.run(w, i, same);
    done |= same;
  }
  if (done == group.mask) {
    ++group.pc;
    return;
  }
  group.stuck = true;
  if (done == 0) return;
  group.mask &= ~done;
  w.groups.push_back({group.pc + 1, done});
  gather(w);
}

void run_as_whole_warp(Warp& w, Group& group, const Instruction& i, Mask mask) {
  if (mask == w.alive) {
    warp_sync(w);
    i.run(w, i, mask);
    ++group.pc;
  } else if (mask == 0) {
    ++group.pc;
  } else {
    group.stuck = true;
  }
}

void come_to_barrier(Warp& w, Group& group, const Instruction& i, Mask mask) {
  if (mask == 0) {
    ++group.pc;
  } else if (is_aligned(i) && mask != w.alive) {
    group.stuck = true;
  } else if (mask != group.mask) {  // the guard parts them: the others go on
    w.groups.push_back({group.pc + 1, group.mask & ~mask});
    group.mask = mask;
    gather(w);
  } else {
    arrive(w, group, i);
  }
}

// After it `group` may be gone or another.
void run_control(Warp& w, Group& group, const Instruction& i, Mask mask) {
  const Function& function = *w.block->launch->function;
  switch (i.control) {
    case Control::branch:
      return jump(w, group, mask, i.target);
    case Control::branch_index: {
      const std::vector<i32>& targets = function.branch_targets[static_cast<size_t>(i.target)];
      const u32* index = w.lanes<u32>(i.operand[0]);
      return jump_each(w, group, mask, [&](int lane) {
        if (index[lane] >= targets.size())
          fault(w, i, lane, FaultKind::out_of_bounds,
                "branch " + std::to_string(index[lane]) + " of " + std::to_string(targets.size()));
        return targets[index[lane]];
      });
    }
    case Control::call: {
      const u32 next = static_cast<u32>(group.pc + 1);
      assign(w.lanes<u32>(i.operand[0]), mask, [&](int) { return next; });
      return jump(w, group, mask, i.target);
    }
    case Control::leave: {
      const u32* next = w.lanes<u32>(i.operand[0]);
      return jump_each(w, group, mask, [&](int lane) { return static_cast<i32>(next[lane]); });
    }
    case Control::exit:
      return end_lanes(w, group, mask);
    case Control::warp_sync:
      return run_with_members(w, group, i, mask);
    case Control::whole_warp:
      return run_as_whole_warp(w, group, i, mask);
    case Control::barrier:
      return come_to_barrier(w, group, i, mask);
    case Control::none:
      break;
  }
}

// Where another group stands next after `group`: there it may join.
i32 next_meeting(const Warp& w, const Group& group) {
  i32 limit = kNowhere;
  for (const Group& other : w.groups)
    if (other.pc > group.pc && !other.at_barrier) limit = std::min(limit, other.pc);
  return limit;
}

// Returns what is left of `turns`.
u32 run_group(Warp& w, Group& group, u32 turns) {
  const Instruction* code = w.block->launch->function->code.data();
  Counters& counters = *w.block->counters;
  const bool alone = w.groups.size() == 1;
  const i32 limit = alone ? kNowhere : next_meeting(w, group);
  const Mask lanes = group.mask;
  i32 pc = group.pc;
  while (turns > 0 && pc < limit) {
    const Instruction& i = code[pc];
    Mask mask = lanes;
    if (i.guard >= 0) mask &= w.predicates[static_cast<size_t>(i.guard)] ^ (i.guard_negated ? kAllLanes : 0);
    --turns;
    ++counters.warp_instructions;
    ++counters.of_class[static_cast<size_t>(i.klass)];
    counters.thread_instructions += static_cast<u64>(__builtin_popcount(mask));
    if (i.control == Control::none) {
      if (mask) i.run(w, i, mask);
      ++pc;
      continue;
    }
    group.pc = pc;
    run_control(w, group, i, mask);
    if (!alone || w.groups.size() != 1 || w.groups[0].mask != lanes || !can_run(w.groups[0])) {
      gather(w);
      return turns;
    }
    pc = w.groups[0].pc;
  }
  group.pc = pc;
  if (!alone) gather(w);
  return turns;
}

Group* choose(Warp& w) {
  const bool last = w.groups.size() > 1 && ++w.turns % kTurnsOfTheLast == 0;
  Group* chosen = nullptr;
  for (Group& group : w.groups) {
    if (!can_run(group)) continue;
    chosen = &group;
    if (!last) break;
  }
  return chosen;
}

void run_warp(Warp& w, u32 turns) {
  while (turns > 0) {
    Group* group = choose(w);
    if (!group) return;
    turns = run_group(w, *group, turns);
  }
}

bool has_work(const Warp& w) { return std::any_of(w.groups.begin(), w.groups.end(), can_run); }

// All that have not ended wait.
[[noreturn]] void report_deadlock(Block& block) {
  const Instruction* code = block.launch->function->code.data();
  for (Warp& w : block.warps)
    for (const Group& group : w.groups) {
      if (!group.stuck) continue;
      const Instruction& i = code[group.pc];
      const int lane = __builtin_ctz(group.mask);
      const std::string missing = hexadecimal(w.alive & ~group.mask);
      if (i.control == Control::warp_sync)
        fault(w, i, lane, FaultKind::wrong_mask,
              "mask " + hexadecimal(w.lanes<u32>(i.operand[i.member_mask])[lane]) +
                  " names lanes that never come: here are " + hexadecimal(group.mask));
      fault(w, i, lane, i.control == Control::barrier ? FaultKind::divergent_barrier : FaultKind::wrong_mask,
            "lanes " + hexadecimal(group.mask) + " of the warp are here, lanes " + missing + " never come");
    }
  std::string waiting;
  for (const Warp& w : block.warps)
    if (!w.groups.empty()) waiting += (waiting.empty() ? "" : ", ") + std::to_string(w.index);
  for (Warp& w : block.warps)
    if (!w.groups.empty())
      fault(w, code[w.groups[0].pc], __builtin_ctz(w.groups[0].mask), FaultKind::deadlock,
            "warps " + waiting + " wait at barriers that nobody else comes to");
  __builtin_unreachable();
}

}  // namespace

void gather(Warp& w) {
  std::vector<Group>& groups = w.groups;
  std::erase_if(groups, [](const Group& group) { return group.mask == 0; });
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.pc < b.pc; });
  for (size_t k = 0; k + 1 < groups.size();) {
    Group &a = groups[k], &b = groups[k + 1];
    if (a.pc != b.pc || a.at_barrier || b.at_barrier) {
      ++k;
      continue;
    }
    a.mask |= b.mask;
    a.stuck = false;
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(k + 1));
  }
}

void run_warps(Block& block, Random& random) {
  std::vector<Warp*> ready;
  for (u64 turn = 0;; ++turn) {
    ready.clear();
    bool any = false;
    for (Warp& warp : block.warps) {
      any |= !warp.groups.empty();
      if (has_work(warp)) ready.push_back(&warp);
    }
    if (!any) return;
    if (ready.empty()) report_deadlock(block);
    if (turn == kMostTurns) {
      const Group& group = *choose(*ready[0]);
      fault(*ready[0], block.launch->function->code[group.pc], __builtin_ctz(group.mask), FaultKind::deadlock,
            "the block does not end");
    }
    run_warp(*ready[random.below(static_cast<u32>(ready.size()))], 1 + random.below(kLongestTurn));
  }
}

}  // namespace simulated
