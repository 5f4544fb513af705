// For functions that the host's compiler and nvcc both compile.
#pragma once

#ifdef __CUDACC__
#define TRANSFUSION_HOST_DEVICE __host__ __device__
#else
#define TRANSFUSION_HOST_DEVICE
#endif
