// What the kernels of a process did, for TRANSFUSION_SIMULATOR_COUNTERS: one line of JSON for each kernel.
#pragma once

#include <string>

#include "machine/run.h"

namespace simulated {

// Under the driver's lock.
void count(const std::string& kernel, const Counters& counters);
// Appends to the file, where there is one.
void write_counters();

}  // namespace simulated
