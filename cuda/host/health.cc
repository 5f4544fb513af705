#include "host/health.h"

namespace transfusion::cuda {
namespace {

// Errors of one call, after which others work.
bool is_passing(CUresult result) {
  switch (result) {
    case CUDA_ERROR_INVALID_VALUE:
    case CUDA_ERROR_OUT_OF_MEMORY:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_INVALID_HANDLE:
    case CUDA_ERROR_NOT_FOUND:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
    case CUDA_ERROR_NOT_PERMITTED:
    case CUDA_ERROR_NOT_SUPPORTED:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status Health::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

Status Health::judge(CUresult result, const char* function, const char* cause) {
  if (result == CUDA_SUCCESS) return ok();
  if (is_passing(result)) return fail("%s: %s", function, describe(result).c_str());
  return end(result, cause);
}

Status Health::end(CUresult result, const char* cause) {
  std::lock_guard lock(mutex_);
  if (!ended_) {
    status_ = fail("%s has failed: %s%s%s", device_.c_str(), describe(result).c_str(), cause ? " in " : "",
                   cause ? cause : "");
    ended_ = true;
  }
  return status_;
}

}  // namespace transfusion::cuda
