// The simulated driver, as the simulated cuBLASLt finds it in its process, and what it reads of the
// environment.
#pragma once

#include "driver/cuda_api.h"

namespace simulated {

struct DriverOfProcess {
  PFN_cuCtxGetCurrent_v4000 get_current = nullptr;
  PFN_cuLibraryLoadData_v12000 load_library = nullptr;
  PFN_cuLibraryGetKernel_v12000 get_kernel = nullptr;
  PFN_cuLaunchKernel_v4000 launch_kernel = nullptr;
};
// All null where TRANSFUSION_CUDA_DRIVER is not loaded.
const DriverOfProcess& driver();

// Of cuBLASLt: 130000, or TRANSFUSION_SIMULATOR_CUBLASLT_VERSION.
size_t version();

}  // namespace simulated
