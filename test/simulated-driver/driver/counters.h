// What kernels did, for TRANSFUSION_SIMULATOR_COUNTERS: a line of JSON for each launch.
#pragma once

#include "machine/run.h"

namespace simulated {

// Appends to the file. On a device's thread.
void write_counters(const Launch& launch, const Counters& counters);

}  // namespace simulated
