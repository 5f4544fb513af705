// Kernels with one thing wrong each (kernels/*.cu) end with the fault that names it, at a line of the source
// that a comment with the kernel's name precedes; right ones run, under several seeds.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "checks/check.h"
#include "checks/kernels/block_sum.h"
#include "checks/kernels/tile_product.h"
#include "machine/run.h"
#include "shadow/global_memory.h"

using namespace simulated;

namespace {

constexpr u32 kSeeds = 5;
Checks checks;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "block_sum.cu:42" for each line that a comment with the word precedes.
std::vector<std::string> places(const std::string& source, const std::string& word) {
  std::ifstream file(std::string(SIMULATED_KERNELS) + "/" + source);
  std::vector<std::string> found;
  std::string line;
  bool next = false;
  for (int number = 1; std::getline(file, line); ++number) {
    std::istringstream words(line);
    std::string each;
    if (words >> each && each == "//") {
      while (words >> each) next |= each == word;
    } else {
      if (next) found.push_back(source + ":" + std::to_string(number));
      next = false;
    }
  }
  return found;
}

void run_with_seed(const Launch& launch, GlobalMemory& memory, u32 seed) {
  Options options;
  options.seed = seed;
  run(launch, memory, options);
}

template <class T>
u64 upload(GlobalMemory& memory, const std::vector<T>& values) {
  const u64 address = memory.allocate(values.size() * sizeof(T), MemoryKind::device);
  std::memcpy(GlobalMemory::host(address), values.data(), values.size() * sizeof(T));
  memory.mark_written(address, values.size() * sizeof(T));
  return address;
}

template <class Arguments>
Launch launch_of(const Module& module, const std::string& kernel, u32 blocks, u32 threads,
                 const Arguments& arguments) {
  Launch launch;
  launch.function = module.find(kernel);
  if (!launch.function) throw std::runtime_error("no kernel " + kernel);
  launch.grid.x = blocks;
  launch.block.x = threads;
  launch.parameters.resize(sizeof arguments);
  std::memcpy(launch.parameters.data(), &arguments, sizeof arguments);
  return launch;
}

// One of `kinds`, at a marked line of `source`; of instructions that a header holds, in that header.
void check_fault(const std::string& source, const std::string& kernel, std::initializer_list<FaultKind> kinds,
                 u32 seed, auto&& run_kernel) {
  const std::string what = kernel + ", seed " + std::to_string(seed);
  try {
    run_kernel();
    checks.check(false, what + ": nothing was found");
  } catch (const Fault& fault) {
    const std::string message = fault.what();
    bool kind = false, place = false;
    for (FaultKind each : kinds) kind |= each == fault.kind && message.starts_with(name(each));
    for (const std::string& each : places(source, kernel))
      place |= message.find(each + " ") != std::string::npos;
    checks.check(kind, what + ": another fault than expected: " + message);
    checks.check(place, what + ": not at the line that is wrong: " + message);
    checks.check(message.find(" in " + kernel + ",") != std::string::npos,
                 what + ": no kernel in: " + message);
  }
}

// ---- block_sum ----

constexpr u32 kRows = 3;
constexpr int kCount = 500;

void block_sum(const Module& module, const std::string& kernel, u32 seed, auto&& change) {
  GlobalMemory memory;
  std::vector<float> x(kRows * kCount);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17);
  const u64 of_x = upload(memory, x),
            of_y = memory.allocate(kRows * kCount * sizeof(float), MemoryKind::device);
  Launch launch =
      launch_of(module, kernel, kRows, kThreads,
                SumArguments{reinterpret_cast<const float*>(of_x), reinterpret_cast<float*>(of_y), kCount});
  change(launch, memory, of_x);
  run_with_seed(launch, memory, seed);
  std::vector<float> y(kRows);
  std::memcpy(y.data(), GlobalMemory::host(of_y), sizeof(float) * kRows);
  for (u32 row = 0; row < kRows; ++row) {
    float sum = 0;
    for (int i = 0; i < kCount; ++i) sum += x[row * kCount + i];
    checks.check(y[row] == sum, kernel + ": the sum of row " + std::to_string(row));
  }
}

void check_block_sum(const Module& module) {
  const auto unchanged = [](Launch&, GlobalMemory&, u64) {};
  struct Case {
    const char* kernel;
    std::initializer_list<FaultKind> kinds;
  };
  static const Case kCases[] = {
      // Which of the two depends on whether the other warps have come so far.
      {"barrier_removed", {FaultKind::data_race, FaultKind::uninitialised_read}},
      {"meeting_removed", {FaultKind::data_race}},
      {"barrier_of_half_warps", {FaultKind::divergent_barrier}},
      {"barrier_of_some_warps", {FaultKind::data_race, FaultKind::uninitialised_read}},
      {"mask_without_callers", {FaultKind::wrong_mask}},
      {"mask_of_missing", {FaultKind::wrong_mask}},
      {"past_the_end", {FaultKind::out_of_bounds}},
      {"misaligned", {FaultKind::misaligned}},
      {"unwritten", {FaultKind::uninitialised_read}},
      {"never_written_memory", {FaultKind::uninitialised_read}},
      {"same_target", {FaultKind::data_race}},
      {"lanes_disagree", {FaultKind::data_race}},
      {"blocks_disagree", {FaultKind::data_race}},
  };
  for (u32 seed = 1; seed <= kSeeds; ++seed) {
    checks.runs("nothing", [&] { block_sum(module, "nothing", seed, unchanged); });
    for (const Case& each : kCases)
      check_fault("block_sum.cu", each.kernel, each.kinds, seed,
                  [&] { block_sum(module, each.kernel, seed, unchanged); });
  }
  const auto launch_fault = [&](const char* what, FaultKind kind, std::initializer_list<const char*> parts,
                                auto change) {
    checks.faults(what, kind, parts, [&] { block_sum(module, "nothing", 1, change); });
  };
  launch_fault("use after free", FaultKind::use_after_free,
               {places("block_sum.cu", "use_after_free").at(0).c_str()},
               [](Launch&, GlobalMemory& memory, u64 x) { memory.remove(x); });
  launch_fault("too small a struct", FaultKind::parameters, {"of nothing"},
               [](Launch& launch, GlobalMemory&, u64) { launch.parameters.resize(16); });
  launch_fault("an empty grid", FaultKind::launch, {"of nothing"},
               [](Launch& launch, GlobalMemory&, u64) { launch.grid.x = 0; });
  launch_fault("too many threads", FaultKind::launch, {"of nothing"},
               [](Launch& launch, GlobalMemory&, u64) { launch.block.x = 256; });
}

// ---- tile_product ----

float as_float(u16 bf16) {
  const u32 bits = static_cast<u32>(bf16) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void tile_product(const Module& module, const std::string& kernel, u32 seed) {
  constexpr int kInner = 192;
  std::mt19937 random(seed);
  std::vector<u16> a(kTile * kInner), b(kInner * kTile);
  // Multiples of 1/4 in -2 .. 2: sums are exact.
  const auto value = [&] {
    const float value = static_cast<float>(static_cast<int>(random() % 17) - 8) / 4;
    u32 bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<u16>(bits >> 16);
  };
  for (u16& each : a) each = value();
  for (u16& each : b) each = value();
  GlobalMemory memory;
  const u64 of_a = upload(memory, a), of_b = upload(memory, b),
            of_c = memory.allocate(kTile * kTile * sizeof(float), MemoryKind::device);
  run_with_seed(launch_of(module, kernel, 1, kTileThreads,
                          ProductArguments{reinterpret_cast<u16*>(of_a), reinterpret_cast<const u16*>(of_b),
                                           reinterpret_cast<float*>(of_c), kInner}),
                memory, seed);
  const float* c = reinterpret_cast<const float*>(GlobalMemory::host(of_c));
  int wrong = 0;
  for (int row = 0; row < kTile; ++row)
    for (int column = 0; column < kTile; ++column) {
      float sum = 0;
      for (int k = 0; k < kInner; ++k) sum += as_float(a[row * kInner + k]) * as_float(b[k * kTile + column]);
      wrong += c[row * kTile + column] != sum;
    }
  checks.check(wrong == 0, kernel + ": " + std::to_string(wrong) + " elements of the product");
}

void check_tile_product(const Module& module) {
  struct Case {
    const char* kernel;
    std::initializer_list<FaultKind> kinds;
  };
  static const Case kCases[] = {
      {"barrier_left_out", {FaultKind::data_race, FaultKind::copy_in_flight, FaultKind::uninitialised_read}},
      {"wait_left_out", {FaultKind::copy_in_flight}},
      {"wait_one_late", {FaultKind::copy_in_flight}},
      {"stage_too_early", {FaultKind::data_race, FaultKind::copy_in_flight}},
      {"row_misaligned", {FaultKind::misaligned}},
      {"rows_left_out", {FaultKind::uninitialised_read}},
      {"source_written", {FaultKind::copy_in_flight, FaultKind::data_race}},
      {"source_past_the_end", {FaultKind::out_of_bounds}},
      {"part_of_a_warp", {FaultKind::divergent_barrier}},
  };
  for (u32 seed = 1; seed <= kSeeds; ++seed) {
    checks.runs("right_product", [&] { tile_product(module, "right_product", seed); });
    for (const Case& each : kCases)
      check_fault("tile_product.cu", each.kernel, each.kinds, seed,
                  [&] { tile_product(module, each.kernel, seed); });
  }
}

}  // namespace

int main() {
  const std::string folder = SIMULATED_PTX;
  check_block_sum(*parse(read_file(folder + "/block_sum.ptx")));
  check_tile_product(*parse(read_file(folder + "/tile_product.ptx")));
  return checks.finish();
}
