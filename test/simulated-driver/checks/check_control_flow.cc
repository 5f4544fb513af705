// Where lanes part and meet: branches, loops, calls, barriers, and what lanes do together. Each case is the
// body of a kernel of two and a half warps that leaves a number in %result.
#include <bit>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "checks/check.h"
#include "machine/warp.h"

using namespace simulated;

namespace {

constexpr u32 kThreads = 80;

struct Case {
  const char* name;
  const char* body;
  std::function<u32(u32 thread, u32 lane)> expected;
};

u32 collatz(u32 x) {
  u32 steps = 0;
  for (; x != 1; ++steps) x = x % 2 ? 3 * x + 1 : x / 2;
  return steps;
}

// Lanes of a thread's warp that exist.
u32 lanes_of(u32 thread) { return thread / 32 == kThreads / 32 ? (1u << kThreads % 32) - 1 : ~0u; }

const std::vector<Case> kCases = {
    {"loops of different lengths",
     R"(
  add.s32 %r0, %tid, 1;
  mov.u32 %result, 0;
LOOP:
  setp.eq.s32 %p0, %r0, 1;
  @%p0 bra DONE;
  and.b32 %r1, %r0, 1;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra ODD;
  shr.u32 %r0, %r0, 1;
  bra.uni NEXT;
ODD:
  mad.lo.s32 %r0, %r0, 3, 1;
NEXT:
  add.s32 %result, %result, 1;
  bra.uni LOOP;
DONE:
  bar.sync 0;
)",
     [](u32 thread, u32) { return collatz(thread + 1); }},
    {"a table of branches",
     R"(
  and.b32 %r0, %tid, 3;
  brx.idx %r0, TABLE;
TABLE: .branchtargets A, B, A, C;
A:
  mov.u32 %result, 10;
  bra.uni END;
B:
  mov.u32 %result, 20;
  bra.uni END;
C:
  mov.u32 %result, 30;
END:
  add.s32 %result, %result, 1;
)",
     [](u32 thread, u32) { return thread % 4 == 1   ? 21u
                                  : thread % 4 == 3 ? 31u
                                                    : 11u; }},
    {"a function that is called by some lanes, twice",
     R"(
  mov.u32 %result, 7;
  and.b32 %r0, %tid, 1;
  setp.ne.s32 %p0, %r0, 0;
  @%p0 bra SKIP;
  {
  .param .b32 argument;
  .param .b32 value;
  st.param.b32 [argument], %tid;
  call.uni (value), twice, (argument);
  ld.param.b32 %result, [value];
  }
  {
  .param .b32 argument;
  .param .b32 value;
  st.param.b32 [argument], %result;
  call.uni (value), twice, (argument);
  ld.param.b32 %result, [value];
  }
SKIP:
)",
     [](u32 thread, u32) { return thread % 2 ? 7 : 4 * thread; }},
    {"lanes that end early, and a barrier of the others",
     R"(
  .shared .align 4 .b32 sum;
  mov.u32 %result, 0;
  setp.ne.s32 %p0, %tid, 3;
  @%p0 bra BEGUN;
  st.shared.b32 [sum], 5;
BEGUN:
  bar.sync 0;
  ld.shared.b32 %result, [sum];
  st.global.b32 [%out], %result;
  setp.gt.s32 %p0, %tid, 40;
  @%p0 exit;
  barrier.sync 1;
  barrier.sync 2;
)",
     [](u32, u32) { return 5; }},
    {"counts over a block",
     R"(
  setp.lt.s32 %p0, %tid, 50;
  bar.red.popc.u32 %r0, 0, %p0;
  bar.red.and.pred %p1, 0, %p0;
  bar.red.or.pred %p2, 0, !%p0;
  selp.b32 %r1, 100, 0, %p1;
  selp.b32 %r2, 1000, 0, %p2;
  add.s32 %result, %r0, %r1;
  add.s32 %result, %result, %r2;
)",
     [](u32, u32) { return 1050; }},
    {"a barrier of two warps, one of which only arrives",
     R"(
  .shared .align 4 .b32 flag;
  mov.u32 %result, 9;
  shr.u32 %r0, %tid, 5;
  setp.eq.s32 %p0, %r0, 0;
  setp.eq.s32 %p1, %r0, 1;
  @%p0 bra PRODUCE;
  @%p1 bra CONSUME;
  bra.uni END;
PRODUCE:
  st.shared.b32 [flag], 42;
  bar.arrive 3, 64;
  bra.uni END;
CONSUME:
  bar.sync 3, 64;
  ld.shared.b32 %result, [flag];
END:
)",
     [](u32 thread, u32) { return thread / 32 == 1 ? 42u : 9u; }},
    {"shfl.bfly", "  shfl.sync.bfly.b32 %result|%p0, %tid, 5, 31, %members;\n",
     [](u32 thread, u32) { return thread ^ 5; }},
    {"shfl.up keeps what comes from outside",
     R"(
  shfl.sync.up.b32 %result|%p0, %tid, 3, 0, %members;
  selp.b32 %r0, 0, 1000, %p0;
  add.s32 %result, %result, %r0;
)",
     [](u32 thread, u32 lane) { return lane < 3 ? thread + 1000 : thread - 3; }},
    {"shfl.down in segments of 8",
     R"(
  shfl.sync.down.b32 %result|%p0, %tid, 3, 0x181f, %members;
)",
     [](u32 thread, u32 lane) { return lane % 8 + 3 < 8 ? thread + 3 : thread; }},
    {"shfl.idx", "  shfl.sync.idx.b32 %result, %tid, 2, 31, %members;\n",
     [](u32 thread, u32) { return thread / 32 * 32 + 2; }},
    {"shfl of the halves of a warp that has parted",
     R"(
  and.b32 %r0, %lane, 8;
  setp.ne.s32 %p0, %r0, 0;
  and.b32 %r1, %members, 0xff00ff00;
  and.b32 %r2, %members, 0x00ff00ff;
  @%p0 bra UPPER;
  shfl.sync.bfly.b32 %result, %tid, 1, 31, %r2;
  bra.uni END;
UPPER:
  shfl.sync.bfly.b32 %result, %tid, 2, 31, %r1;
END:
)",
     [](u32 thread, u32 lane) { return thread ^ (lane & 8 ? 2 : 1); }},
    {"votes",
     R"(
  setp.lt.s32 %p0, %lane, 4;
  vote.sync.ballot.b32 %result, %p0, %members;
  vote.sync.any.pred %p1, %p0, %members;
  vote.sync.all.pred %p2, !%p0, %members;
  selp.b32 %r0, 0x100, 0, %p1;
  selp.b32 %r1, 0x200, 0, %p2;
  or.b32 %result, %result, %r0;
  or.b32 %result, %result, %r1;
)",
     [](u32, u32) { return 0x10f; }},
    {"match.any",
     R"(
  and.b32 %r0, %lane, 3;
  match.any.sync.b32 %result, %r0, %members;
)",
     [](u32 thread, u32 lane) { return 0x11111111u << (lane % 4) & lanes_of(thread); }},
    {"redux",
     R"(
  redux.sync.add.u32 %r0, %lane, %members;
  redux.sync.max.s32 %r1, %lane, %members;
  mad.lo.s32 %result, %r1, 1000, %r0;
)",
     [](u32 thread, u32) {
       const u32 lanes = static_cast<u32>(std::popcount(lanes_of(thread)));
       return (lanes - 1) * 1000 + lanes * (lanes - 1) / 2;
     }},
    {"activemask",
     R"(
  mov.u32 %result, 0;
  setp.lt.s32 %p0, %lane, 5;
  @%p0 activemask.b32 %result;
)",
     [](u32, u32 lane) { return lane < 5 ? 0x1fu : 0u; }},
    {"atomics in shared memory",
     R"(
  .shared .align 8 .b64 counter;
  setp.ne.s32 %p0, %tid, 0;
  @%p0 bra BEGUN;
  st.shared.b64 [counter], 0;
BEGUN:
  bar.sync 0;
  atom.shared.add.u32 %r0, [counter], 2;
  atom.shared.max.s32 %r1, [counter+4], %tid;
  bar.sync 0;
  ld.shared.v2.b32 {%r2, %r3}, [counter];
  mad.lo.s32 %result, %r3, 1000, %r2;
)",
     [](u32, u32) { return (kThreads - 1) * 1000 + 2 * kThreads; }},
    {"a lock between lanes of one warp",
     R"(
  .shared .align 8 .b64 state;
  setp.ne.s32 %p0, %tid, 0;
  @%p0 bra BEGUN;
  st.shared.b64 [state], 0;
BEGUN:
  bar.sync 0;
TRY:
  atom.shared.cas.b32 %r0, [state], 0, 1;
  setp.ne.s32 %p0, %r0, 0;
  @%p0 bra TRY;
  atom.shared.add.u32 %r1, [state+4], 1;
  atom.shared.exch.b32 %r0, [state], 0;
  bar.sync 0;
  ld.shared.b32 %result, [state+4];
)",
     [](u32, u32) { return kThreads; }},
    {"local memory, by generic addresses",
     R"(
  .local .align 4 .b32 memory[4];
  mov.u64 %d0, memory;
  cvta.local.u64 %d1, %d0;
  st.local.b32 [%d0+4], %tid;
  add.s32 %r0, %tid, 1;
  st.b32 [%d1+8], %r0;
  ld.b32 %r1, [%d1+4];
  ld.local.b32 %r2, [memory+8];
  add.s32 %result, %r1, %r2;
)",
     [](u32 thread, u32) { return 2 * thread + 1; }},
    {"variables of the module",
     R"(
  and.b32 %r0, %tid, 1;
  mul.wide.u32 %d0, %r0, 4;
  mov.u64 %d1, table;
  add.s64 %d0, %d0, %d1;
  ld.const.b32 %r1, [%d0];
  ld.global.b32 %r2, [numbers+4];
  add.s32 %result, %r1, %r2;
)",
     [](u32 thread, u32) { return (thread % 2 ? 200u : 100u) + 6; }},
    {"numbers of several words",
     R"(
  mov.u32 %r0, 0xffffffff;
  add.cc.u32 %r1, %r0, %tid;
  addc.u32 %r2, 0, 0;
  sub.cc.u32 %r3, 0, %tid;
  subc.u32 %r4, 10, 0;
  mad.lo.cc.u32 %r5, %r0, %r0, %r0;
  madc.hi.u32 %r6, %r0, %r0, 0;
  add.s32 %result, %r2, %r4;
  add.s32 %result, %result, %r6;
)",
     [](u32 thread, u32) { return (thread > 0) + 10u - (thread > 0) + 0xffffffffu; }},
};

std::string module_text() {
  std::string text = R"(.version 7.0
.target sm_80
.address_size 64
.const .align 4 .b32 table[2] = {100, 200};
.global .align 4 .b32 numbers[2] = {5, 6};
.func (.param .b32 value) twice(.param .b32 argument)
{
  .reg .b32 %a;
  .reg .pred %big;
  ld.param.b32 %a, [argument];
  setp.gt.u32 %big, %a, 1000000;
  @%big ret;
  add.s32 %a, %a, %a;
  st.param.b32 [value], %a;
  ret;
}
)";
  for (size_t i = 0; i < kCases.size(); ++i)
    text += ".visible .entry case" + std::to_string(i) + R"((.param .u64 out)
{
  .reg .b32 %r<8>, %tid, %lane, %members, %result;
  .reg .b64 %d<4>, %out;
  .reg .pred %p<4>;
  mov.u32 %tid, %tid.x;
  mov.u32 %lane, %laneid;
  activemask.b32 %members;
  mul.wide.u32 %d0, %tid, 4;
  ld.param.u64 %out, [out];
  add.s64 %out, %out, %d0;
)" + std::string(kCases[i].body) +
            "  st.global.b32 [%out], %result;\n  ret;\n}\n";
  return text;
}

}  // namespace

int main() {
  Checks checks;
  const auto module = parse(module_text());
  GlobalMemory memory;
  const auto upload = [&](const std::vector<u32>& values) {
    const u64 address = memory.allocate(values.size() * 4, MemoryKind::device);
    std::memcpy(GlobalMemory::host(address), values.data(), values.size() * 4);
    memory.mark_written(address, values.size() * 4);
    return address;
  };
  const u64 numbers = upload({5, 6}), out = upload(std::vector<u32>(kThreads));
  const u32* results = reinterpret_cast<const u32*>(GlobalMemory::host(out));
  for (size_t i = 0; i < kCases.size(); ++i)
    for (u32 seed = 1; seed <= 5; ++seed) {
      const std::string name = std::string(kCases[i].name) + ", seed " + std::to_string(seed);
      Launch launch;
      launch.function = module->find("case" + std::to_string(i));
      launch.block.x = kThreads;
      launch.parameters.resize(8);
      std::memcpy(launch.parameters.data(), &out, 8);
      launch.globals = {numbers};
      Options options;
      options.seed = seed;
      checks.runs(name, [&] { run(launch, memory, options); });
      for (u32 thread = 0; thread < kThreads; ++thread) {
        const u32 expected = kCases[i].expected(thread, thread % 32);
        checks.check(results[thread] == expected, name + ", thread " + std::to_string(thread) +
                                                      ": expected " + std::to_string(expected) + ", not " +
                                                      std::to_string(results[thread]));
      }
    }
  return checks.finish();
}
