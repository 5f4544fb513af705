#include "cublaslt/driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <type_traits>

namespace simulated {
namespace {

DriverOfProcess find() {
  DriverOfProcess found;
  const char* const path = std::getenv("TRANSFUSION_CUDA_DRIVER");
  void* const library = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : nullptr;
  if (!library) return found;
  const auto get = reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
  const auto load = [&](const char* name, auto& function) {
    void* address = nullptr;
    if (get(name, &address, 12000, 0, nullptr) == CUDA_SUCCESS)
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  load("cuCtxGetCurrent", found.get_current);
  load("cuLibraryLoadData", found.load_library);
  load("cuLibraryGetKernel", found.get_kernel);
  load("cuLaunchKernel", found.launch_kernel);
  return found;
}

}  // namespace

const DriverOfProcess& driver() {
  static const DriverOfProcess found = find();
  return found;
}

size_t version() {
  const char* const set = std::getenv("TRANSFUSION_SIMULATOR_CUBLASLT_VERSION");
  return set ? std::strtoul(set, nullptr, 10) : 130000;
}

}  // namespace simulated
