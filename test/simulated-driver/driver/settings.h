// What the environment says of the simulated GPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simulated {

struct Settings {
  uint32_t seed = 1;                 // TRANSFUSION_SIMULATOR_SEED: of delays, and of what runs first
  int devices = 1;                   // TRANSFUSION_SIMULATOR_DEVICES
  size_t memory = size_t{40} << 30;  // TRANSFUSION_SIMULATOR_MEMORY: bytes of each device
  size_t pinned = SIZE_MAX;          // TRANSFUSION_SIMULATOR_PINNED: bytes of the host that can be pinned
  bool run = true;                   // TRANSFUSION_SIMULATOR_RUN=0: kernels are counted, and not run
  std::string counters;              // TRANSFUSION_SIMULATOR_COUNTERS: a file; see counters.h
  int multiprocessors = 108;         // TRANSFUSION_SIMULATOR_MULTIPROCESSORS: by default an A100's
  int version = 12000;               // TRANSFUSION_SIMULATOR_VERSION: of CUDA, which the driver claims
  std::vector<int> compute{80};      // TRANSFUSION_SIMULATOR_COMPUTE: of each device; the last: of others
  bool pools = true;                 // TRANSFUSION_SIMULATOR_POOLS=0: no stream-ordered allocation
};

// Read once.
const Settings& settings();

}  // namespace simulated
