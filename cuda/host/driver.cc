#include "host/driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace transfusion::cuda {
namespace {

constexpr int kLeastVersion = 12000;
constexpr const char* kLeastDriver = "CUDA 12.0 (driver 525)";
constexpr const char* kSystemDriver = "libcuda.so.1";

// Leaked, as the driver stays loaded: threads use both until the process has ended.
std::atomic<const Driver*> loaded = nullptr;
std::atomic<bool> replaced = false;

std::string too_old(const std::string& what) {
  return "the NVIDIA driver is too old: " + what + ", at least " + kLeastDriver + " is needed";
}

// All functions through cuGetProcAddress: of a name that the library exports as well, it gives the form that
// this version of CUDA means.
std::string find_functions(void* library, Driver& driver) {
  const auto get_version =
      reinterpret_cast<PFN_cuDriverGetVersion_v2020>(dlsym(library, "cuDriverGetVersion"));
  if (!get_version) return "it is no CUDA driver: it lacks cuDriverGetVersion";
  get_version(&driver.version);
  const auto get = reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
  if (!get || driver.version < kLeastVersion)
    return too_old("it is for CUDA " + cuda_version(driver.version));
  const auto find = [&](const char* name, int version, auto& function) {
    void* address = nullptr;
    if (get(name, &address, version, CU_GET_PROC_ADDRESS_DEFAULT, nullptr) != CUDA_SUCCESS) address = nullptr;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    return address != nullptr;
  };
#define F(name, since) \
  if (!find("cu" #name, kLeastVersion, driver.name)) return too_old("it lacks cu" #name);
  TRANSFUSION_DRIVER_FUNCTIONS(F)
#undef F
  find("cuKernelGetParamInfo", 12040, driver.KernelGetParamInfo);
  return {};
}

std::string no_device() {
  const std::string visible = visible_devices();
  return visible.empty() ? "the NVIDIA driver finds no GPU on this machine"
                         : "the NVIDIA driver shows no GPU under " + visible;
}

std::string initialise(const Driver& driver) {
  int count = 0;
  CUresult result = driver.Init(0);
  if (result == CUDA_SUCCESS) result = driver.DeviceGetCount(&count);
  if (result == CUDA_ERROR_NO_DEVICE) return no_device();
  if (result != CUDA_SUCCESS) {
    const char* name = "an unknown error";
    const char* text = "";
    driver.GetErrorName(result, &name);
    driver.GetErrorString(result, &text);
    return std::string("the NVIDIA driver cannot be initialised: ") + name + " (" + text + ")";
  }
  return count == 0 ? no_device() : std::string();
}

std::string wrong_setting() {
  struct Setting {
    const char* name;
    std::array<std::string_view, 2> values;
    const char* expected;
  };
  for (const auto& [name, values, expected] :
       {Setting{"TRANSFUSION_CUDA_SYNC", {"0", "1"}, "0 or 1"},
        Setting{"TRANSFUSION_CUDA_IMAGES", {"PTX", "machine code"}, "PTX or machine code"}}) {
    const char* value = std::getenv(name);
    if (value && *value && std::find(values.begin(), values.end(), value) == values.end())
      return std::string(name) + " must be " + expected + ", or not set, received \"" + value + "\"";
  }
  return {};
}

}  // namespace

std::string load_driver(const std::string& path) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (loaded) return {};
  if (std::string wrong = wrong_setting(); !wrong.empty()) return wrong;
  void* library = dlopen(path.empty() ? kSystemDriver : path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const std::string error = dlerror();
    return path.empty() ? "there is no NVIDIA driver (" + error + ")"
                        : "TRANSFUSION_CUDA_DRIVER cannot be loaded (" + error + ")";
  }
  auto* found = new Driver;
  std::string problem = find_functions(library, *found);
  if (problem.empty()) problem = initialise(*found);
  replaced = !path.empty();
  if (problem.empty())
    loaded = found;
  else
    delete found;
  return problem;
}

const Driver& driver() { return *loaded.load(std::memory_order_acquire); }

bool is_driver_replaced() { return replaced; }

std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string describe(CUresult result) {
  const char *name = nullptr, *text = nullptr;
  driver().GetErrorName(result, &name);
  driver().GetErrorString(result, &text);
  if (!name) return "error " + std::to_string(static_cast<int>(result));
  return std::string(name) + " (" + (text ? text : "no description") + ")";
}

std::string visible_devices() {
  const char* value = std::getenv("CUDA_VISIBLE_DEVICES");
  return value ? "CUDA_VISIBLE_DEVICES=\"" + std::string(value) + "\"" : std::string();
}

}  // namespace transfusion::cuda
