// What the library exports, as the real one does: cuGetProcAddress and what programs call before they have
// it.
#include "driver/entry_points.h"

#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "driver/call.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace simulated {
namespace {

// Work that is running when the process ends is waited for: it uses what the process takes apart.
void end() {
  Driver& all = driver();
  Lock lock(all.mutex);
  if (all.process != getpid()) return;
  all.ending = true;
  for (const auto& device : all.devices) device->given.notify_one();
  all.done.wait(lock, [&] {
    for (const auto& device : all.devices)
      if (device->running) return false;
    return true;
  });
}

CUresult init(unsigned flags) {
  return answer("cuInit", [&] {
    if (flags) refuse(CUDA_ERROR_INVALID_VALUE, "flags are to be 0");
    Driver& all = driver();
    Lock lock(all.mutex);
    if (all.process && all.process != getpid()) expect_initialised();
    if (all.devices.empty()) refuse(CUDA_ERROR_NO_DEVICE);
    if (!all.process) std::atexit(end);
    all.process = getpid();
  });
}

CUresult driver_get_version(int* version) {
  return answer("cuDriverGetVersion", [&] {
    expect_pointer(version, "driverVersion");
    *version = settings().version;
  });
}

CUresult get_error_name(CUresult code, const char** name) {
  return answer("cuGetErrorName", [&] {
    expect_pointer(name, "pStr");
    *name = error_name(code);
    if (!*name) refuse(CUDA_ERROR_INVALID_VALUE);
  });
}

CUresult get_error_string(CUresult code, const char** text) {
  return answer("cuGetErrorString", [&] {
    expect_pointer(text, "pStr");
    *text = error_text(code);
    if (!*text) refuse(CUDA_ERROR_INVALID_VALUE);
  });
}

CUresult find(const char* name, void** function, int version, cuuint64_t flags,
              CUdriverProcAddressQueryResult* result);

CUresult find_before_12(const char* name, void** function, int version, cuuint64_t flags) {
  return find(name, function, version, flags, nullptr);
}

EntryPoints own_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuInit, 2000, init),
      ENTRY(cuDriverGetVersion, 2020, driver_get_version),
      ENTRY(cuGetErrorName, 6000, get_error_name),
      ENTRY(cuGetErrorString, 6000, get_error_string),
      ENTRY(cuGetProcAddress, 11030, find_before_12),
      ENTRY(cuGetProcAddress, 12000, find),
  };
  return entries;
}

// The newest signature that the caller and this driver know.
CUresult find(const char* name, void** function, int version, cuuint64_t flags,
              CUdriverProcAddressQueryResult* result) {
  return answer("cuGetProcAddress", [&] {
    expect_pointer(name, "symbol");
    expect_pointer(function, "pfn");
    if (flags & ~cuuint64_t{CU_GET_PROC_ADDRESS_LEGACY_STREAM})
      refuse(CUDA_ERROR_NOT_SUPPORTED, "%s: the simulated driver has no per-thread default streams", name);
    *function = nullptr;
    bool known = false;
    int best = 0;
    for (const EntryPoints entries :
         {own_entries(), device_entries(), context_entries(), memory_entries(), pool_entries(),
          host_memory_entries(), copy_entries(), stream_entries(), event_entries(), module_entries(),
          function_entries(), launch_entries()}) {
      for (const EntryPoint& entry : entries) {
        if (std::strcmp(entry.name, name)) continue;
        known = true;
        if (entry.version > version || entry.version > settings().version || entry.version <= best) continue;
        best = entry.version;
        *function = entry.function;
      }
    }
    if (result)
      *result = *function ? CU_GET_PROC_ADDRESS_SUCCESS
                : known   ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                          : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    if (!*function) refuse(CUDA_ERROR_NOT_FOUND);
  });
}

}  // namespace
}  // namespace simulated

EXPORT CUresult cuInit(unsigned flags) { return simulated::init(flags); }

EXPORT CUresult cuDriverGetVersion(int* version) { return simulated::driver_get_version(version); }

#undef cuGetProcAddress
EXPORT CUresult cuGetProcAddress(const char* name, void** function, int version, cuuint64_t flags) {
  return simulated::find(name, function, version, flags, nullptr);
}

EXPORT CUresult cuGetProcAddress_v2(const char* name, void** function, int version, cuuint64_t flags,
                                    CUdriverProcAddressQueryResult* result) {
  return simulated::find(name, function, version, flags, result);
}
