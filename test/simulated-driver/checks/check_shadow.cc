// What memory finds wrong, with warps that are moved by hand: each access and barrier as a kernel might have
// it.
#include <vector>

#include "checks/check.h"
#include "machine/warp.h"

using namespace simulated;

namespace {

constexpr int kWarps = 4;

// A launch whose warps do what they are told.
struct Bench {
  Module module;
  Function function;
  Launch launch;
  Options options;
  GlobalMemory memory;
  Block block;
  Instruction instruction;

  Bench() {
    function.module = &module;
    function.name = "bench";
    launch.function = &function;
    launch.block.x = kWarps * kLanes;
    instruction.text = 7;
    block.launch = &launch;
    block.options = &options;
    block.global = &memory;
    begin_launch();
  }
  void begin_launch() {
    memory.begin_launch();
    begin_block(0);
  }
  void begin_block(u64 number) {
    block.number = number;
    block.warps = std::vector<Warp>(kWarps);
    for (u32 i = 0; i < kWarps; ++i) {
      block.warps[i].block = &block;
      block.warps[i].index = i;
    }
    block.shared.reset(4096);
    simulated::begin_block(block);
  }
  void barrier(Mask warps = (1 << kWarps) - 1) { barrier_complete(block, warps); }

  // Lane i accesses `bytes` at begin + i * stride.
  std::vector<u64> addresses(u64 begin, u64 stride) {
    std::vector<u64> addresses(kLanes);
    for (int i = 0; i < kLanes; ++i) addresses[i] = begin + i * stride;
    return addresses;
  }
  void shared(int warp, Access access, u64 begin, u32 bytes = 4, Mask mask = kAllLanes, u64 stride = 0) {
    block.shared.access(block.warps[warp], instruction, mask,
                        addresses(begin, stride ? stride : bytes).data(), bytes, access);
  }
  void global(int warp, Access access, u64 begin, u32 bytes = 4, Mask mask = kAllLanes, u64 stride = 0) {
    memory.access(block.warps[warp], instruction, mask, addresses(begin, stride ? stride : bytes).data(),
                  bytes, access);
  }
};

constexpr Access read = Access::read, write = Access::write, atomic = Access::atomic,
                 relaxed = Access::relaxed_read;

void check_shared(Checks& checks) {
  const auto faults = [&](const char* what, FaultKind kind, std::initializer_list<const char*> parts,
                          auto body) {
    Bench bench;
    checks.faults(what, kind, parts, [&] { body(bench); });
  };
  const auto runs = [&](const char* what, auto body) {
    Bench bench;
    checks.runs(what, [&] { body(bench); });
  };

  faults("shared: read of what nobody wrote", FaultKind::uninitialised_read,
         {"shared address 64", "thread (16, 0, 0)"}, [](Bench& b) {
           b.shared(0, write, 0, 4, 0xffff);
           b.shared(0, read, 0);
         });
  faults("shared: bf16 beside one that is written", FaultKind::uninitialised_read, {"shared address 2"},
         [](Bench& b) {
           b.shared(0, write, 0, 2, 1);
           b.shared(0, read, 2, 2, 1);
         });
  faults("shared: half of 4 bytes is written", FaultKind::uninitialised_read,
         {"shared address 2", "thread (0, 0, 0)"}, [](Bench& b) {
           b.shared(0, write, 0, 2, 1);
           b.shared(0, read, 0, 4, 1);
         });
  runs("shared: bytes are written one by one", [](Bench& b) {
    b.shared(0, write, 0, 1);
    b.shared(0, read, 0, 16, 3);
  });
  faults("shared: out of bounds", FaultKind::out_of_bounds,
         {"shared address 4096 of 4096", "thread (1, 0, 0)"}, [](Bench& b) { b.shared(0, write, 4092); });
  faults("shared: misaligned", FaultKind::misaligned, {"thread (1, 0, 0)"},
         [](Bench& b) { b.shared(0, write, 0, 8, kAllLanes, 12); });
  faults("shared: no barrier between write and read", FaultKind::data_race,
         {"read of shared address 128", "warp 0 has written", "thread (64, 0, 0)"}, [](Bench& b) {
           b.shared(0, write, 128, 4, 1);
           b.shared(2, read, 128, 4, 1);
         });
  faults("shared: no barrier between read and write", FaultKind::data_race,
         {"write of shared address 0", "warp 1 has read"}, [](Bench& b) {
           b.shared(0, write, 0);
           b.barrier();
           b.shared(1, read, 0);
           b.shared(0, write, 0);
         });
  faults("shared: reads of several warps, one of which has not arrived", FaultKind::data_race,
         {"warp 3 has read"}, [](Bench& b) {
           b.shared(0, write, 0);
           b.barrier();
           for (int warp : {1, 3, 2}) b.shared(warp, read, 0);
           b.barrier(0b0111);
           b.shared(0, write, 0);
         });
  runs("shared: barriers between", [](Bench& b) {
    for (int step = 0; step < 3; ++step) {
      b.shared(step, write, 0);
      b.barrier();
      for (int warp = 0; warp < kWarps; ++warp) b.shared(warp, read, 0);
      b.barrier();
    }
  });
  faults("shared: two writes", FaultKind::data_race, {"warp 0 has written"}, [](Bench& b) {
    b.shared(0, write, 0);
    b.shared(1, write, 0);
  });
  runs("shared: elements of 2 bytes beside each other", [](Bench& b) {
    b.shared(0, write, 0, 2, 1);
    b.shared(1, write, 2, 2, 1);
  });
  runs("shared: atomics do not race", [](Bench& b) {
    b.shared(0, write, 0);
    b.barrier();
    for (int warp = 0; warp < kWarps; ++warp) b.shared(warp, atomic, 0);
    b.shared(1, relaxed, 0);
    b.barrier();
    b.shared(2, read, 0);
  });
  faults("shared: an atomic and a read", FaultKind::data_race, {"read of"}, [](Bench& b) {
    b.shared(0, write, 0);
    b.barrier();
    b.shared(0, atomic, 0);
    b.shared(1, read, 0);
  });
  faults("shared: a read and an atomic", FaultKind::data_race, {"atomic of"}, [](Bench& b) {
    b.shared(0, write, 0);
    b.barrier();
    b.shared(0, read, 0);
    b.shared(1, atomic, 0);
  });
  faults("shared: values of the block before", FaultKind::uninitialised_read, {"shared address 0"},
         [](Bench& b) {
           b.shared(0, write, 0);
           b.begin_block(1);
           b.shared(0, read, 0);
         });
  faults("shared: another lane of the warp has written", FaultKind::data_race,
         {"lane 0 of the warp has written", "no __syncwarp", "thread (1, 0, 0)"}, [](Bench& b) {
           b.shared(0, write, 0);
           b.shared(0, read, -4, 4, 0b10);
         });
  faults("shared: all lanes read what one has written", FaultKind::data_race,
         {"lane 0 of the warp has written"}, [](Bench& b) {
           b.shared(0, write, 0, 4, 1);
           b.block.shared.access(b.block.warps[0], b.instruction, kAllLanes, std::vector<u64>(kLanes).data(),
                                 4, read);
         });
  runs("shared: lanes read what they have written", [](Bench& b) {
    b.shared(0, write, 0, 2);
    b.shared(0, read, 0, 2);
    b.shared(0, read, 0, 2, 0b10);
    b.shared(0, write, 64, 8);
    b.shared(0, read, 68, 4, kAllLanes, 8);
  });
  runs("shared: lanes meet between", [](Bench& b) {
    b.shared(0, write, 0);
    b.shared(0, read, 0);
    warp_sync(b.block.warps[0]);
    b.shared(0, read, 0, 8, 0xffff);
    b.block.shared.access(b.block.warps[0], b.instruction, kAllLanes, std::vector<u64>(kLanes).data(), 4,
                          read);
  });
  // As mbarriers do it: arrivals of some warps, waits of others.
  runs("shared: arrive and wait", [](Bench& b) {
    Clock& clock = b.memory.clock();
    Stamps full{};
    b.shared(0, write, 0);
    clock.release(b.block.warps[0].clock, full);
    clock.acquire(b.block.warps[1].clock, full);
    b.shared(1, read, 0);
    Stamps empty{};
    clock.release(b.block.warps[1].clock, empty);
    clock.acquire(b.block.warps[0].clock, empty);
    b.shared(0, write, 0);
  });
  faults("shared: written again after the arrival", FaultKind::data_race, {"warp 0 has written"},
         [](Bench& b) {
           Clock& clock = b.memory.clock();
           Stamps full{};
           clock.release(b.block.warps[0].clock, full);
           b.shared(0, write, 0);
           clock.acquire(b.block.warps[1].clock, full);
           b.shared(1, read, 0);
         });
}

void check_global(Checks& checks) {
  constexpr size_t kBytes = 10000;
  const auto faults = [&](const char* what, FaultKind kind, std::initializer_list<const char*> parts,
                          auto body) {
    Bench bench;
    const u64 address = bench.memory.allocate(kBytes, MemoryKind::device);
    checks.faults(what, kind, parts, [&] { body(bench, address); });
  };
  const auto runs = [&](const char* what, auto body) {
    Bench bench;
    const u64 address = bench.memory.allocate(kBytes, MemoryKind::device);
    checks.runs(what, [&] { body(bench, address); });
  };

  faults("global: past the end", FaultKind::out_of_bounds,
         {"0 bytes after the end of 10000 bytes of device memory", "thread (4, 0, 0)"},
         [](Bench& b, u64 x) { b.global(0, write, x + kBytes - 16); });
  faults("global: before the begin", FaultKind::out_of_bounds, {"4 bytes before the begin"},
         [](Bench& b, u64 x) { b.global(0, write, x - 4); });
  faults("global: null", FaultKind::out_of_bounds, {"no allocation is near"},
         [](Bench& b, u64) { b.global(0, read, 0); });
  faults("global: misaligned", FaultKind::misaligned, {"thread (0, 0, 0)"},
         [](Bench& b, u64 x) { b.global(0, write, x + 8, 16); });
  runs("global: aligned to 256 bytes", [&](Bench&, u64 x) {
    checks.check(x % 256 == 0 && x % 512 != 0, "an allocation is aligned to 256 bytes and no more");
  });
  faults("global: after free", FaultKind::use_after_free, {"byte 8 of 10000 bytes of freed device memory"},
         [](Bench& b, u64 x) {
           b.memory.mark_written(x, kBytes);
           b.memory.remove(x);
           b.memory.allocate(kBytes, MemoryKind::device);
           b.global(0, read, x + 8, 4, 1);
         });
  faults("global: nobody wrote it", FaultKind::uninitialised_read, {"byte 5000", "thread (2, 0, 0)"},
         [](Bench& b, u64 x) {
           b.memory.mark_written(x, 5000);
           b.global(0, read, x + 4992);
         });
  runs("global: copied by the host", [](Bench& b, u64 x) {
    const u64 y = b.memory.allocate(kBytes, MemoryKind::device);
    b.memory.mark_written(y, kBytes);
    b.memory.copy_written(x, y, kBytes);
    for (u64 at = 0; at + 128 <= kBytes; at += 128) b.global(0, read, x + at);
  });
  faults("global: copied with what nobody wrote", FaultKind::uninitialised_read, {"byte 4090"},
         [](Bench& b, u64 x) {
           const u64 y = b.memory.allocate(kBytes, MemoryKind::device);
           b.memory.mark_written(y, 4088);
           b.memory.mark_written(y + 4090, kBytes - 4090);
           b.memory.copy_written(x + 2, y, kBytes - 2);
           b.global(0, read, x + 4092, 2, 1);
           b.global(0, read, x + 4090, 2, 1);
         });
  runs("global: pinned memory counts as written", [](Bench& b, u64) {
    const u64 pinned = b.memory.allocate(64, MemoryKind::pinned);
    b.global(0, read, pinned, 4, 1);
    b.global(1, atomic, pinned + 8, 8, 1);
  });
  runs("global: launches follow each other", [](Bench& b, u64 x) {
    b.global(0, write, x);
    b.begin_launch();
    b.global(1, read, x);
    b.begin_launch();
    b.global(2, write, x);
  });
  faults("global: another block has written", FaultKind::data_race, {"block 5 has written"},
         [](Bench& b, u64 x) {
           b.begin_block(5);
           b.global(0, write, x);
           b.begin_block(2);
           b.global(0, read, x);
         });
  faults("global: another block has read", FaultKind::data_race, {"block 5 has read"}, [](Bench& b, u64 x) {
    b.memory.mark_written(x, kBytes);
    b.begin_block(5);
    b.global(0, read, x);
    b.begin_block(2);
    b.barrier();
    b.global(0, read, x);
    b.global(0, write, x);
  });
  faults("global: a warp writes what it and another have read", FaultKind::data_race,
         {"warp 1 of the block has read"}, [](Bench& b, u64 x) {
           b.memory.mark_written(x, kBytes);
           for (int warp : {0, 1}) b.global(warp, read, x);
           b.global(0, write, x);
         });
  runs("global: blocks read the same and write beside each other", [](Bench& b, u64 x) {
    b.memory.mark_written(x, 4096);
    for (int block = 0; block < 6; ++block) {
      b.begin_block(block);
      for (int warp = 0; warp < kWarps; ++warp) b.global(warp, read, x);
      b.global(block % kWarps, write, x + 4096 + block * 2, 2, 1);
    }
  });
  faults("global: warps of a block without a barrier", FaultKind::data_race,
         {"warp 3 of the block has written"}, [](Bench& b, u64 x) {
           b.global(3, write, x);
           b.global(1, read, x);
         });
  runs("global: warps of a block with a barrier", [](Bench& b, u64 x) {
    b.global(3, write, x);
    b.barrier();
    for (int warp = 0; warp < kWarps; ++warp) b.global(warp, read, x);
    b.barrier();
    b.global(2, write, x);
  });
  runs("global: atomics of blocks", [](Bench& b, u64 x) {
    b.memory.mark_written(x, kBytes);
    for (int block = 0; block < 3; ++block) {
      b.begin_block(block);
      for (int warp = 0; warp < kWarps; ++warp) b.global(warp, atomic, x, 8, 1);
    }
  });
  faults("global: an atomic of another block, then a plain read", FaultKind::data_race,
         {"block 0 has written"}, [](Bench& b, u64 x) {
           b.memory.mark_written(x, kBytes);
           b.global(0, atomic, x, 8, 1);
           b.begin_block(1);
           b.global(0, atomic, x, 8, 1);
           b.global(0, read, x, 8, 1);
         });
  runs("global: runs across pages, lanes in any order", [](Bench& b, u64 x) {
    b.memory.mark_written(x, kBytes);
    b.global(0, read, x + 3584, 16);
    b.global(0, read, x + 4096 - 64, 4);
    b.global(0, write, x + 31 * 64, 4, kAllLanes, -64);
  });
}

// Many launches, until there are no stamps left and they begin anew.
void check_restart(Checks& checks) {
  Bench bench;
  const u64 x = bench.memory.allocate(256, MemoryKind::device);
  checks.runs("stamps begin anew", [&] {
    bench.global(0, write, x, 4, 1);
    const auto stamp = [&] { return stamp_of(bench.block.warps[0].clock.now()); };
    for (u32 before = 0; stamp() > before; bench.begin_launch()) {
      before = stamp();
      for (int i = 0; i < 1000000; ++i) bench.barrier();
    }
    bench.global(1, read, x, 4, 1);
  });
  checks.faults("what nobody wrote stays so", FaultKind::uninitialised_read, {"byte 4"},
                [&] { bench.global(1, read, x + 4, 4, 1); });
}

}  // namespace

int main() {
  Checks checks;
  check_shared(checks);
  check_global(checks);
  check_restart(checks);
  return checks.finish();
}
