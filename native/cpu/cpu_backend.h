// The CPU as a backend.
#pragma once

#include "backend.h"

namespace transfusion {

// Made at the first call, never destroyed; shared by all environments.
Backend& cpu_backend();

// Threads of kernels that are enqueued later.
void set_cpu_threads(int threads);

}  // namespace transfusion
