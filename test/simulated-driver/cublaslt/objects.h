// Objects behind the handles of the simulated cuBLASLt, and how its calls end.
#pragma once

#include <string>

#include "driver/cuda_api.h"
// After the driver's: it includes cuda.h, whose names that one keeps as they are written.
#include "host/cublaslt_api.h"

namespace transfusion::cuda::cublaslt {

struct HandleOpaque {
  CUcontext context;
  CUkernel product, join;
};

struct MatmulDescOpaque {
  ComputeType compute_type;
  DataType scale_type;
  int32_t transpose_a = kN, transpose_b = kN;
  uint32_t epilogue = kDefault;
  const void* bias = nullptr;
};

struct MatrixLayoutOpaque {
  DataType type;
  uint64_t rows, columns;
  int64_t stride;
  int32_t batch = 1;
  int64_t batch_stride = 0;
};

struct PreferenceOpaque {
  uint64_t workspace_bytes = 0;
  uint32_t reduction_mask = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};
};

}  // namespace transfusion::cuda::cublaslt

namespace simulated {

namespace cublaslt = transfusion::cuda::cublaslt;

// Thrown inside an entry point, which returns the code and says why on stderr.
struct LtRefusal {
  cublaslt::StatusCode code;
  std::string what;
};

// Handles that were made and not destroyed. Any thread.
void add_object(void* object);
void remove_object(void* object);
// Refuses null, what was destroyed and what was never made.
void expect_object(const void* object, const char* kind);

}  // namespace simulated
