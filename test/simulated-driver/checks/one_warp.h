// Runs a few instructions on one warp: registers %r1, %r2 .. are loaded from rows of 32 words before them,
// and others stored to rows after them.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "machine/run.h"
#include "shadow/global_memory.h"

namespace simulated {

using Words = std::vector<u32>;  // [register, lane]

// %r1 .. hold `inputs`; `results` registers from %r40 on are what comes back. In `body`, %r0 is the lane,
// %rd1 the address of the inputs, %rd2 that of the results, `memory` 1024 bytes of shared memory.
inline Words run_warp(const std::string& body, const Words& inputs, size_t results, u32 seed = 1) {
  std::string ptx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry test(.param .u64 test_param_0, .param .u64 test_param_1) {
.reg .b32 %r<64>;
.reg .b64 %rd<8>;
.reg .pred %p<4>;
.shared .align 16 .b8 memory[1024];
ld.param.u64 %rd1, [test_param_0];
ld.param.u64 %rd2, [test_param_1];
mov.u32 %r0, %tid.x;
mul.wide.u32 %rd3, %r0, 4;
add.s64 %rd3, %rd1, %rd3;
mul.wide.u32 %rd4, %r0, 4;
add.s64 %rd4, %rd2, %rd4;
)";
  const size_t registers = inputs.size() / kLanes;
  for (size_t i = 0; i < registers; ++i)
    ptx += "ld.global.b32 %r" + std::to_string(i + 1) + ", [%rd3+" + std::to_string(128 * i) + "];\n";
  ptx += body + "\n";
  for (size_t i = 0; i < results; ++i)
    ptx += "st.global.b32 [%rd4+" + std::to_string(128 * i) + "], %r" + std::to_string(40 + i) + ";\n";
  const auto module = parse(ptx + "ret;\n}\n");

  GlobalMemory memory;
  const u64 source = memory.allocate(inputs.size() * 4, MemoryKind::device),
            target = memory.allocate(results * 128, MemoryKind::device);
  std::memcpy(GlobalMemory::host(source), inputs.data(), inputs.size() * 4);
  memory.mark_written(source, inputs.size() * 4);
  Launch launch;
  launch.function = module->find("test");
  launch.block.x = kLanes;
  launch.parameters.resize(16);
  std::memcpy(launch.parameters.data(), &source, 8);
  std::memcpy(launch.parameters.data() + 8, &target, 8);
  Options options;
  options.seed = seed;
  run(launch, memory, options);
  Words words(results * kLanes);
  std::memcpy(words.data(), GlobalMemory::host(target), words.size() * 4);
  return words;
}

}  // namespace simulated
