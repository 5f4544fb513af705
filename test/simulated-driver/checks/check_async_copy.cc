// cp.async: sizes, zero fill, groups; what a wait covers, and what may not be touched before it.
#include "checks/check.h"
#include "checks/one_warp.h"

using namespace simulated;

namespace {

Checks checks;

// Rows of words 0, 1, 2 .. of which lane i owns 4: words[4 * i + k].
Words ascending(size_t rows) {
  Words words(rows * kLanes);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<u32>(i) * 0x01010101 + 0x11223344;
  return words;
}

// %rd5: the 16 bytes of the lane in global memory, %r20: in shared memory.
const std::string kAddresses = R"(
mov.u32 %r19, memory;
mad.lo.s32 %r20, %r0, 16, %r19;
mul.wide.u32 %rd5, %r0, 16;
add.s64 %rd5, %rd1, %rd5;
)";
const std::string kWait = "cp.async.commit_group;\ncp.async.wait_group 0;\n";
const std::string kResults = "ld.shared.v4.b32 {%r40, %r41, %r42, %r43}, [%r20];\n";

// Of the lane's 16 bytes the first `bytes` are copied, then zeros follow up to `size`.
void check_copy(const std::string& copy, u32 size, u32 bytes) {
  const Words inputs = ascending(4);
  // What is not copied is written before, so that it can be read.
  std::string body = kAddresses + "mov.u32 %r30, 0;\n";
  for (u32 at = size; at < 16; at += 4) body += "st.shared.b32 [%r20+" + std::to_string(at) + "], %r30;\n";
  checks.runs(copy, [&] {
    const Words found = run_warp(body + copy + "\n" + kWait + kResults, inputs, 4);
    int wrong = 0;
    for (int lane = 0; lane < kLanes; ++lane) {
      u8 expected[16] = {}, values[16];
      std::memcpy(expected, &inputs[4 * lane], bytes);
      for (int k = 0; k < 4; ++k) std::memcpy(values + 4 * k, &found[k * kLanes + lane], 4);
      wrong += std::memcmp(expected, values, 16) != 0;
    }
    checks.check(wrong == 0, copy + ": " + std::to_string(wrong) + " lanes are wrong");
  });
}

void check_copies() {
  check_copy("cp.async.cg.shared.global [%r20], [%rd5], 16;", 16, 16);
  check_copy("cp.async.ca.shared.global [%r20], [%rd5], 16;", 16, 16);
  check_copy("cp.async.ca.shared.global [%r20], [%rd5], 8;", 8, 8);
  check_copy("cp.async.ca.shared.global [%r20], [%rd5], 4;", 4, 4);
  check_copy("cp.async.cg.shared::cta.global [%r20], [%rd5], 16;", 16, 16);
  check_copy("cp.async.cg.shared.global.L2::128B [%r20], [%rd5], 16;", 16, 16);
  check_copy("cp.async.cg.shared.global [%r20], [%rd5], 0x10, 6;", 16, 6);
  check_copy("cp.async.ca.shared.global [%r20], [%rd5], 8, 8;", 8, 8);
  for (u32 bytes : {0u, 1u, 3u, 4u, 8u, 12u, 15u, 16u})
    check_copy(
        "mov.u32 %r31, " + std::to_string(bytes) + ";\ncp.async.cg.shared.global [%r20], [%rd5], 16, %r31;",
        16, bytes);
  check_copy(
      "add.s64 %rd5, %rd5, 64; add.s32 %r20, %r20, -16;\n"
      "cp.async.cg.shared.global [%r20+16], [%rd5+-64], 16;\nadd.s32 %r20, %r20, 16;",
      16, 16);
  check_copy("setp.eq.s32 %p1, %r0, %r0;\ncp.async.cg.shared.global [%r20], [%rd5], 16, %p1;", 16, 0);
  check_copy("setp.ne.s32 %p1, %r0, %r0;\ncp.async.cg.shared.global [%r20], [%rd5], 16, %p1;", 16, 16);
  // No bytes are read: the address may be anything that is aligned.
  check_copy("mov.u32 %r31, 0;\nmov.u64 %rd5, 0;\ncp.async.cg.shared.global [%r20], [%rd5], 16, %r31;", 16,
             0);
}

void runs(const char* what, const std::string& body) {
  checks.runs(what, [&] { run_warp(kAddresses + body, ascending(4), 4); });
}
void faults(const char* what, FaultKind kind, std::initializer_list<const char*> parts,
            const std::string& body) {
  checks.faults(what, kind, parts, [&] { run_warp(kAddresses + body, ascending(4), 4); });
}

void check_waits() {
  const std::string copy = "cp.async.cg.shared.global [%r20], [%rd5], 16;\n",
                    second = "cp.async.cg.shared.global [%r20+512], [%rd5], 16;\n",
                    commit = "cp.async.commit_group;\n",
                    none = "mov.u32 %r40, 0; mov.u32 %r41, 0; mov.u32 %r42, 0; mov.u32 %r43, 0;\n";
  runs("two groups, one of which is waited for",
       copy + commit + second + commit + "cp.async.wait_group 1;\n" + kResults);
  runs("wait_all", copy + "cp.async.wait_all;\n" + kResults);
  runs("an empty group counts", copy + commit + commit + "cp.async.wait_group 1;\n" + kResults);
  runs("a copy that nobody waits for", copy + none);
  faults("no wait", FaultKind::copy_in_flight, {"read of shared address 0", "thread (0, 0, 0)"},
         copy + commit + kResults);
  faults("a wait one group too late", FaultKind::copy_in_flight, {"read of shared address 0"},
         copy + commit + second + commit + "cp.async.wait_group 2;\n" + kResults);
  faults("the second of two groups", FaultKind::copy_in_flight, {"read of shared address 512"},
         copy + commit + second + commit + "cp.async.wait_group 1;\nadd.s32 %r20, %r20, 512;\n" + kResults);
  faults("a group that is not committed", FaultKind::copy_in_flight, {"read of"},
         copy + "cp.async.wait_group 0;\n" + kResults);
  faults("a write of the target", FaultKind::copy_in_flight, {"write of shared address 4"},
         copy + commit + "st.shared.b32 [%r20+4], %r1;\n" + none);
  faults("two copies to one target", FaultKind::copy_in_flight, {"write of"}, copy + copy + none);
  faults("a write of the source", FaultKind::copy_in_flight,
         {"the source of the asynchronous copy", "thread (3, 0, 0)"},
         copy + commit +
             "setp.eq.s32 %p1, %r0, 3;\n@%p1 st.global.b32 [%rd5], %r0;\ncp.async.wait_group 0;\n" + none);
  // Lane 0 waits, lane 1 does not.
  const std::string divergent = copy + commit + "setp.eq.s32 %p1, %r0, 0;\n@%p1 cp.async.wait_group 0;\n";
  runs("a lane that has waited",
       divergent + none + "@%p1 ld.shared.v4.b32 {%r40, %r41, %r42, %r43}, [%r20];\n");
  faults("lanes that have not waited", FaultKind::copy_in_flight, {"shared address 16", "thread (1, 0, 0)"},
         divergent + kResults);
  faults("a misaligned source", FaultKind::misaligned, {"thread (0, 0, 0)"},
         "cp.async.cg.shared.global [%r20], [%rd5+4], 16;\n" + none);
  faults("a misaligned target", FaultKind::misaligned, {"thread (0, 0, 0)"},
         "cp.async.cg.shared.global [%r20+8], [%rd5], 16;\n" + none);
  faults("past the end of shared memory", FaultKind::out_of_bounds,
         {"16 bytes at shared address 1024", "thread (16, 0, 0)"},
         "cp.async.cg.shared.global [%r20+768], [%rd5], 16;\n" + none);
  faults("past the end of global memory", FaultKind::out_of_bounds, {"thread (31, 0, 0)"},
         "cp.async.cg.shared.global [%r20], [%rd5+16], 16;\n" + none);
  faults("more bytes than the copy has", FaultKind::out_of_bounds, {"reads 9 bytes to write 8"},
         "cp.async.ca.shared.global [%r20], [%rd5], 8, 9;\n" + none);
}

}  // namespace

int main() {
  check_copies();
  check_waits();
  return checks.finish();
}
