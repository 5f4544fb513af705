// The functions of the CUDA driver that we call: nothing of this library links to CUDA.
#pragma once

#include <cuda.h>
#include <cudaTypedefs.h>

#include <stdexcept>
#include <string>

namespace transfusion::cuda {

// Each with the CUDA version that its present form came with.
#define TRANSFUSION_DRIVER_FUNCTIONS(F) \
  F(Init, 2000)                         \
  F(DriverGetVersion, 2020)             \
  F(GetErrorName, 6000)                 \
  F(GetErrorString, 6000)               \
  F(DeviceGetCount, 2000)               \
  F(DeviceGet, 2000)                    \
  F(DeviceGetName, 2000)                \
  F(DeviceGetAttribute, 2000)           \
  F(DeviceTotalMem, 3020)               \
  F(DevicePrimaryCtxRetain, 7000)       \
  F(CtxSetCurrent, 4000)                \
  F(MemGetInfo, 3020)                   \
  F(MemAlloc, 3020)                     \
  F(MemFree, 3020)                      \
  F(MemPoolCreate, 11020)               \
  F(MemPoolSetAttribute, 11020)         \
  F(MemPoolTrimTo, 11020)               \
  F(MemAllocFromPoolAsync, 11020)       \
  F(MemFreeAsync, 11020)                \
  F(MemHostAlloc, 2020)                 \
  F(MemFreeHost, 2000)                  \
  F(MemHostGetDevicePointer, 3020)      \
  F(MemcpyHtoDAsync, 3020)              \
  F(MemcpyDtoHAsync, 3020)              \
  F(MemcpyDtoDAsync, 3020)              \
  F(MemsetD8Async, 3020)                \
  F(StreamCreate, 2000)                 \
  F(StreamSynchronize, 2000)            \
  F(EventCreate, 2000)                  \
  F(EventRecord, 2000)                  \
  F(EventSynchronize, 2000)             \
  F(EventElapsedTime, 2000)             \
  F(LibraryLoadData, 12000)             \
  F(LibraryGetKernel, 12000)            \
  F(KernelSetAttribute, 12000)          \
  F(LaunchKernel, 4000)

struct Driver {
#define F(name, since) PFN_cu##name##_v##since name = nullptr;
  TRANSFUSION_DRIVER_FUNCTIONS(F)
#undef F
  PFN_cuKernelGetParamInfo_v12040 KernelGetParamInfo = nullptr;  // null before CUDA 12.4
  int version = 0;                                               // 12040: CUDA 12.4
};

// Loads it, from `path` or, where that is empty, the system's, and initialises it. Why it cannot be used, or
// nothing. Any thread; a second call does nothing where one has succeeded.
std::string load_driver(const std::string& path);

// Once it is loaded.
const Driver& driver();

// Whether it is another one than the system's.
bool is_driver_replaced();

// "12.4"
std::string cuda_version(int version);

// "CUDA_ERROR_OUT_OF_MEMORY (out of memory)"
std::string describe(CUresult result);

// What CUDA_VISIBLE_DEVICES is, as a part of a sentence; nothing where it is not set.
std::string visible_devices();

struct DriverError : std::runtime_error {
  DriverError(CUresult result, const char* function)
      : runtime_error(std::string(function) + ": " + describe(result)), result(result) {}
  CUresult result;
};

// Throws a DriverError.
inline void check(CUresult result, const char* function) {
  if (result != CUDA_SUCCESS) throw DriverError(result, function);
}

}  // namespace transfusion::cuda

// Calls a function of the driver and throws a DriverError where it fails.
#define TRANSFUSION_CHECK_DRIVER(function, ...) \
  ::transfusion::cuda::check(::transfusion::cuda::driver().function(__VA_ARGS__), "cu" #function)
