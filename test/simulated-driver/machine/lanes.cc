// What lanes of a warp do together: shfl, vote, match, redux, activemask. The scheduler runs them once all
// lanes of their mask have come (Control::warp_sync), for these.
#include <string>

#include "machine/families.h"

namespace simulated {

namespace {

// ---- shfl ----

constexpr size_t kTarget = 0, kValue = 1, kLane = 2, kClamp = 3, kMembers = 4, kInRange = 5;

enum class Shuffle : u8 { up, down, butterfly, index };

// The lane that each one reads, and whether that is in its segment: if not, it keeps what it has.
struct Sources {
  i32 lane[kLanes];
  i32 in_range[kLanes];
};

template <Shuffle kMode>
void find_sources(const u32* b, const u32* c, Sources& sources) {
  for (i32 lane = 0; lane < kLanes; ++lane) {
    const i32 distance = b[lane] & 31, clamp = c[lane] & 31, segment = c[lane] >> 8 & 31;
    const i32 least = lane & segment, most = least | (clamp & ~segment);
    const i32 source = kMode == Shuffle::up          ? lane - distance
                       : kMode == Shuffle::down      ? lane + distance
                       : kMode == Shuffle::butterfly ? lane ^ distance
                                                     : least | (distance & ~segment);
    const bool in_range = kMode == Shuffle::up ? source >= most : source <= most;
    sources.in_range[lane] = in_range;
    sources.lane[lane] = in_range ? source : lane;
  }
}

template <Shuffle kMode>
void shuffle(Warp& w, const Instruction& i, Mask mask) {
  const u32* value = w.lanes<u32>(i.operand[kValue]);
  Sources sources;
  find_sources<kMode>(w.lanes<u32>(i.operand[kLane]), w.lanes<u32>(i.operand[kClamp]), sources);
  if (mask != kAllLanes)
    for_each_lane(mask, [&](int lane) {
      if (!in(mask, sources.lane[lane]))
        fault(w, i, lane, FaultKind::wrong_mask,
              "lane " + std::to_string(lane) + " reads lane " + std::to_string(sources.lane[lane]) +
                  ", which takes no part");
    });
  u32 result[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) result[lane] = value[sources.lane[lane]];
  assign(w.lanes<u32>(i.operand[kTarget]), mask, [&](int lane) { return result[lane]; });
  Mask in_range = 0;
  for (int lane = 0; lane < kLanes; ++lane) in_range |= static_cast<Mask>(sources.in_range[lane]) << lane;
  Mask& predicate = w.predicates[i.operand[kInRange]];
  predicate = (predicate & ~mask) | (in_range & mask);
}

Handler decode_shuffle(Decoding& decoding) {
  const std::string_view mode = decoding.opcode[2];
  Instruction& i = decoding.instruction;
  i.operand[kTarget] = decoding.target(0, 32);
  for (const size_t k : {kValue, kLane, kClamp, kMembers}) i.operand[k] = decoding.reg(k, 32);
  i.operand[kInRange] = decoding.second_predicate(0);
  i.member_mask = kMembers;
  if (decoding.opcode[1] != "sync") return nullptr;
  return mode == "up"     ? shuffle<Shuffle::up>
         : mode == "down" ? shuffle<Shuffle::down>
         : mode == "bfly" ? shuffle<Shuffle::butterfly>
                          : shuffle<Shuffle::index>;
}

// ---- vote ----

Mask voted(Warp& w, const Instruction& i, Mask mask) {
  return (w.predicates[i.operand[1]] ^ (i.variant ? kAllLanes : 0)) & mask;
}

void set(Mask& predicate, Mask mask, bool value) { predicate = value ? predicate | mask : predicate & ~mask; }

void vote_any(Warp& w, const Instruction& i, Mask mask) {
  set(w.predicates[i.operand[0]], mask, voted(w, i, mask) != 0);
}
void vote_all(Warp& w, const Instruction& i, Mask mask) {
  set(w.predicates[i.operand[0]], mask, voted(w, i, mask) == mask);
}
void vote_uniform(Warp& w, const Instruction& i, Mask mask) {
  const Mask votes = voted(w, i, mask);
  set(w.predicates[i.operand[0]], mask, votes == 0 || votes == mask);
}
void vote_ballot(Warp& w, const Instruction& i, Mask mask) {
  const Mask votes = voted(w, i, mask);
  assign(w.lanes<u32>(i.operand[0]), mask, [&](int) { return votes; });
}

Handler decode_vote(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  const std::string_view mode = decoding.opcode[2];
  i.operand[0] = mode == "ballot" ? decoding.target(0, 32) : decoding.predicate(0);
  i.operand[1] = decoding.predicate(1);
  i.variant = decoding.is_negated(1);
  i.operand[2] = decoding.reg(2, 32);
  i.member_mask = 2;
  if (decoding.opcode[1] != "sync") return nullptr;
  return mode == "any" ? vote_any : mode == "all" ? vote_all : mode == "uni" ? vote_uniform : vote_ballot;
}

// ---- match ----

template <class T>
Mask equal_lanes(const T* a, Mask mask, T value) {
  Mask equal = 0;
  for (int lane = 0; lane < kLanes; ++lane) equal |= static_cast<Mask>(a[lane] == value) << lane;
  return equal & mask;
}

template <class T>
void match_any(Warp& w, const Instruction& i, Mask mask) {
  const T* a = w.lanes<T>(i.operand[1]);
  u32 result[kLanes] = {};
  for_each_lane(mask, [&](int lane) { result[lane] = equal_lanes(a, mask, a[lane]); });
  assign(w.lanes<u32>(i.operand[0]), mask, [&](int lane) { return result[lane]; });
}

template <class T>
void match_all(Warp& w, const Instruction& i, Mask mask) {
  const T* a = w.lanes<T>(i.operand[1]);
  const bool all = equal_lanes(a, mask, a[__builtin_ctz(mask)]) == mask;
  assign(w.lanes<u32>(i.operand[0]), mask, [&](int) { return all ? mask : 0; });
  set(w.predicates[i.operand[3]], mask, all);
}

Handler decode_match(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  const u32 bits = type_bits(decoding.opcode.last());
  i.operand[0] = decoding.target(0, 32);
  i.operand[1] = decoding.reg(1, bits);
  i.operand[2] = decoding.reg(2, 32);
  i.operand[3] = decoding.second_predicate(0);
  i.member_mask = 2;
  if (decoding.opcode[1] == "any") return bits == 32 ? match_any<u32> : match_any<u64>;
  return bits == 32 ? match_all<u32> : match_all<u64>;
}

// ---- redux ----

template <class T, class F>
void reduce(Warp& w, const Instruction& i, Mask mask) {
  const T* a = w.lanes<T>(i.operand[1]);
  T result = a[__builtin_ctz(mask)];
  for_each_lane(mask & (mask - 1), [&](int lane) { result = F()(result, a[lane]); });
  assign(w.lanes<T>(i.operand[0]), mask, [&](int) { return result; });
}

struct Sum {
  u32 operator()(u32 a, u32 b) const { return a + b; }
};
struct Least {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct Greatest {
  template <class T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct And {
  u32 operator()(u32 a, u32 b) const { return a & b; }
};
struct Or {
  u32 operator()(u32 a, u32 b) const { return a | b; }
};
struct Xor {
  u32 operator()(u32 a, u32 b) const { return a ^ b; }
};

Handler decode_redux(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  for (size_t k = 0; k < 3; ++k) i.operand[k] = k ? decoding.reg(k, 32) : decoding.target(k, 32);
  i.member_mask = 2;
  const std::string_view name = decoding.opcode[2];
  const bool is_signed = decoding.opcode.last() == "s32";
  if (name == "add") return reduce<u32, Sum>;
  if (name == "min") return is_signed ? reduce<i32, Least> : reduce<u32, Least>;
  if (name == "max") return is_signed ? reduce<i32, Greatest> : reduce<u32, Greatest>;
  if (name == "and") return reduce<u32, And>;
  if (name == "or") return reduce<u32, Or>;
  return name == "xor" ? reduce<u32, Xor> : nullptr;
}

void active_mask(Warp& w, const Instruction& i, Mask mask) {
  assign(w.lanes<u32>(i.operand[0]), mask, [&](int) { return mask; });
}

}  // namespace

Handler decode_lanes(Decoding& decoding) {
  Instruction& i = decoding.instruction;
  const std::string_view name = decoding.opcode[0];
  i.klass = InstructionClass::warp;
  if (name == "activemask") {
    i.operand[0] = decoding.target(0, 32);
    return active_mask;
  }
  i.control = Control::warp_sync;
  if (name == "shfl") return decode_shuffle(decoding);
  if (name == "vote") return decode_vote(decoding);
  return name == "match" ? decode_match(decoding) : decode_redux(decoding);
}

}  // namespace simulated
