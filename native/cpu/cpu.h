// Declares every kernel of the contract in transfusion::cpu.
#pragma once

#include "kernels.h"

// TRANSFUSION_PARTIAL lets a developer load an addon while kernels are still unwritten: calling one then
// fails.
#ifdef TRANSFUSION_PARTIAL
#define TRANSFUSION_KERNEL __attribute__((weak))
#else
#define TRANSFUSION_KERNEL
#endif

namespace transfusion::cpu {

#define K(name, arguments) TRANSFUSION_KERNEL Status name(Context& context, TRANSFUSION_UNPAREN arguments);
KERNELS(K)
#undef K

}  // namespace transfusion::cpu
