// cuBLASLt, NVIDIA's own matrix products, found at run time.
#pragma once

#include <string>
#include <vector>

#include "host/cublaslt_api.h"

namespace transfusion::cuda {

namespace cublaslt {
struct Functions {
#define F(name, result, arguments) result(*name) arguments = nullptr;
  TRANSFUSION_CUBLASLT_FUNCTIONS(F)
#undef F
};
}  // namespace cublaslt

// Where a library of this name may be: what the system's loader knows, then files, of toolkits and of the
// wheels of Python environments, which PyTorch brings.
std::vector<std::string> cublaslt_places(const std::string& name);

// What of it a device uses. A device has one, made with its context current.
class CublasLt {
 public:
  // Looks for the library where no device has before.
  CublasLt();

  bool is_there() const { return handle_ != nullptr; }
  // "13.1.0", and the file it came from; why there is none.
  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }
  const std::string& problem() const { return problem_; }

  // Where it is there.
  const cublaslt::Functions& functions() const { return *functions_; }
  cublaslt::Handle handle() const { return handle_; }

 private:
  const cublaslt::Functions* functions_ = nullptr;
  cublaslt::Handle handle_ = nullptr;
  std::string version_, path_, problem_;
};

}  // namespace transfusion::cuda
