// What the library of the CUDA backend, libtransfusion_cuda.so, gives to the addon, which loads it when a GPU
// is first asked for: the one symbol of the library is a function that returns its table.
#pragma once

#include <memory>
#include <string>

#include "device.h"
#include "kernels.h"

namespace transfusion {

// All functions may be called on any thread.
struct CudaLibrary {
  // The addon reads on only where these are its own: Device and KernelTable change without notice.
  u64 size;
  u64 hash;             // interface_hash()
  const char* version;  // of the package

  const KernelTable* kernels;
  // Loads the driver, of this path or, where it is empty, the system's. Why there is none that can be used,
  // or nothing. Once it has succeeded, later calls do nothing.
  std::string (*load_driver)(const std::string& path);

  // The rest: once the driver is loaded.
  int (*device_count)();
  // Why a device of the driver's cannot be used, or nothing; does not touch its memory.
  std::string (*refusal)(int ordinal);
  // Makes a device ready for work. `memory_limit`: what its pool may take. Throws std::runtime_error.
  std::unique_ptr<Device> (*open_device)(int ordinal, size_t& memory_limit);
};

inline constexpr const char* kCudaLibrarySymbol = "transfusion_cuda_library";
using CudaLibraryFunction = const CudaLibrary* (*)();

}  // namespace transfusion
