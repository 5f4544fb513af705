#include "machine/run.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "machine/scheduler.h"
#include "machine/warp.h"

namespace simulated {

namespace {

constexpr size_t kRegisterAlignment = 64;
constexpr u32 kMostThreads = 1024;

struct Free {
  void operator()(u8* memory) const { std::free(memory); }
};

// A block whose warps and memory serve all blocks of a launch in turn.
class Machine {
 public:
  Machine(const Launch& launch, GlobalMemory& memory, const Options& options) : random_(options.seed) {
    block_.launch = &launch;
    block_.options = &options;
    block_.global = &memory;
    block_.counters = &counters_;
    make_warps();
  }

  Counters run() {
    const Dimensions& grid = block_.launch->grid;
    std::vector<u32> order(grid.count());
    std::iota(order.begin(), order.end(), 0);
    for (u32 i = static_cast<u32>(order.size()); i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
    block_.global->begin_launch();
    for (const u32 number : order) {
      begin_block(number);
      run_warps(block_, random_);
      ++counters_.blocks;
    }
    counters_.memory_sectors = block_.sectors_read.size() + block_.sectors_written.size();
    return counters_;
  }

 private:
  const Function& function() const { return *block_.launch->function; }
  u32 threads() const { return static_cast<u32>(block_.launch->block.count()); }

  void make_warps() {
    const size_t bytes = function().register_bytes;
    const size_t count = (threads() + kLanes - 1) / kLanes;
    registers_.reset(static_cast<u8*>(
        std::aligned_alloc(kRegisterAlignment, std::max(bytes * count, kRegisterAlignment))));
    std::memset(registers_.get(), 0, bytes * count);
    block_.warps.resize(count);
    for (u32 index = 0; index < count; ++index) {
      Warp& warp = block_.warps[index];
      warp.block = &block_;
      warp.index = index;
      warp.registers = registers_.get() + bytes * index;
      warp.predicates.assign(function().predicates + 1, 0);
      warp.local.assign(function().local_bytes * kLanes, 0xff);
      set_constants(warp);
      set_special_registers(warp);
    }
  }

  void set_constants(Warp& warp) {
    const auto set = [&](u32 offset, u32 bytes, u64 value) {
      for (u32 lane = 0; lane < kLanes; ++lane)
        std::memcpy(warp.registers + offset + lane * bytes, &value, bytes);
    };
    for (const Function::Constant& constant : function().constants)
      set(constant.offset, constant.bytes, constant.value);
    for (const u32 predicate : function().true_predicates) warp.predicates[predicate] = kAllLanes;
    for (const Function::GlobalAddress& address : function().global_addresses)
      set(address.offset, 8, block_.launch->globals.at(address.global));
  }

  // All but those of the block's place in the grid.
  void set_special_registers(Warp& warp) {
    const Launch& launch = *block_.launch;
    const Dimensions &size = launch.block, &grid = launch.grid;
    const u32 thread = warp.index * kLanes, dynamic = static_cast<u32>(launch.dynamic_shared);
    const auto set = [&](const char* name, auto value_of) {
      const auto found = function().special_registers.find(name);
      if (found == function().special_registers.end()) return;
      for (u32 lane = 0; lane < kLanes; ++lane) warp.lanes<u32>(found->second)[lane] = value_of(lane);
    };
    const auto set_all = [&](const char* name, u32 value) { set(name, [&](u32) { return value; }); };
    set("%tid.x", [&](u32 lane) { return (thread + lane) % size.x; });
    set("%tid.y", [&](u32 lane) { return (thread + lane) / size.x % size.y; });
    set("%tid.z", [&](u32 lane) { return (thread + lane) / size.x / size.y; });
    set("%laneid", [](u32 lane) { return lane; });
    set("%lanemask_eq", [](u32 lane) { return Mask{1} << lane; });
    set("%lanemask_lt", [](u32 lane) { return (Mask{1} << lane) - 1; });
    set("%lanemask_le", [](u32 lane) { return (Mask{2} << lane) - 1; });
    set("%lanemask_gt", [](u32 lane) { return ~((Mask{2} << lane) - 1); });
    set("%lanemask_ge", [](u32 lane) { return ~((Mask{1} << lane) - 1); });
    set_all("%ntid.x", size.x);
    set_all("%ntid.y", size.y);
    set_all("%ntid.z", size.z);
    set_all("%nctaid.x", grid.x);
    set_all("%nctaid.y", grid.y);
    set_all("%nctaid.z", grid.z);
    set_all("%warpid", warp.index);
    set_all("%nwarpid", static_cast<u32>(block_.warps.size()));
    set_all("%nsmid", 1);
    set_all("%dynamic_smem_size", dynamic);
    set_all("%total_smem_size", static_cast<u32>(function().dynamic_shared) + dynamic);
  }

  void begin_block(u32 number) {
    const Dimensions& grid = block_.launch->grid;
    block_.number = number;
    block_.index = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
    block_.barriers = {};
    block_.shared.reset(function().dynamic_shared + block_.launch->dynamic_shared);
    for (Warp& warp : block_.warps) {
      const u32 left = threads() - warp.index * kLanes;
      warp.alive = left >= kLanes ? kAllLanes : (Mask{1} << left) - 1;
      warp.groups.assign(1, {0, warp.alive});
      warp.copies = {};
      warp.turns = 0;
      set_place(warp, "%ctaid.x", block_.index.x);
      set_place(warp, "%ctaid.y", block_.index.y);
      set_place(warp, "%ctaid.z", block_.index.z);
    }
    simulated::begin_block(block_);
  }

  void set_place(Warp& warp, const char* name, u32 value) {
    const auto found = function().special_registers.find(name);
    if (found != function().special_registers.end())
      std::fill_n(warp.lanes<u32>(found->second), kLanes, value);
  }

  Random random_;
  Counters counters_;
  std::unique_ptr<u8, Free> registers_;
  Block block_;
};

void check(const Launch& launch) {
  const Function& function = *launch.function;
  const auto refuse = [&](FaultKind kind, const std::string& what) { fault(function.name, kind, what); };
  const u64 threads = launch.block.count();
  if (launch.grid.count() == 0) refuse(FaultKind::launch, "a grid of no blocks");
  if (threads == 0 || threads > kMostThreads)
    refuse(FaultKind::launch,
           "blocks of " + std::to_string(threads) + " threads, not 1 to " + std::to_string(kMostThreads));
  if (const u64 most = function.max_threads.count(); most && threads > most)
    refuse(FaultKind::launch, "blocks of " + std::to_string(threads) +
                                  " threads; the kernel was compiled for " + std::to_string(most));
  if (launch.parameters.size() != function.parameter_bytes)
    refuse(FaultKind::parameters, std::to_string(launch.parameters.size()) + " bytes of parameters, not " +
                                      std::to_string(function.parameter_bytes));
}

}  // namespace

Counters run(const Launch& launch, GlobalMemory& memory, const Options& options) {
  check(launch);
  return Machine(launch, memory, options).run();
}

Counters& Counters::operator+=(const Counters& other) {
  blocks += other.blocks;
  warp_instructions += other.warp_instructions;
  thread_instructions += other.thread_instructions;
  for (size_t i = 0; i < of_class.size(); ++i) of_class[i] += other.of_class[i];
  global_requests += other.global_requests;
  global_sectors += other.global_sectors;
  global_bytes += other.global_bytes;
  memory_sectors += other.memory_sectors;
  shared_requests += other.shared_requests;
  shared_wavefronts += other.shared_wavefronts;
  shared_ideal_wavefronts += other.shared_ideal_wavefronts;
  shared_bytes += other.shared_bytes;
  return *this;
}

const char* name(InstructionClass klass) {
  constexpr const char* kNames[] = {"integer", "floating",   "special",     "conversion", "move",   "control",
                                    "warp",    "barrier",    "parameter",   "global",     "shared", "local",
                                    "atomic",  "async_copy", "matrix_load", "matrix"};
  return kNames[static_cast<size_t>(klass)];
}

}  // namespace simulated
