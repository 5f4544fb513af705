// The one symbol of libtransfusion_cuda.so.
#include "cuda_kernels.h"
#include "cuda_library.h"
#include "host/cuda_device.h"
#include "interface_hash.h"

namespace transfusion::cuda {
namespace {

constexpr int kLeastComputeCapability = 80;

KernelTable make_kernel_table() {
  KernelTable table;
#define K(name, arguments) table.name = cuda::name;
  KERNELS(K)
#undef K
  return table;
}

int device_count() {
  int count = 0;
  driver().DeviceGetCount(&count);
  return count;
}

std::string refusal(int ordinal) {
  CUdevice device = 0;
  int major = 0, minor = 0;
  try {
    TRANSFUSION_CHECK_DRIVER(DeviceGet, &device, ordinal);
    TRANSFUSION_CHECK_DRIVER(DeviceGetAttribute, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                             device);
    TRANSFUSION_CHECK_DRIVER(DeviceGetAttribute, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                             device);
  } catch (const DriverError& error) {
    return error.what();
  }
  if (10 * major + minor >= kLeastComputeCapability) return {};
  char model[256] = "the GPU";
  driver().DeviceGetName(model, sizeof model, device);
  return std::string(model) + " has compute capability " + std::to_string(major) + "." +
         std::to_string(minor) + ", at least 8.0 (Ampere) is needed";
}

std::unique_ptr<Device> open_device(int ordinal, size_t& memory_limit) {
  auto device = std::make_unique<CudaDevice>(ordinal);
  memory_limit = device->memory_limit();
  return device;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const CudaLibrary* transfusion_cuda_library() {
  static const KernelTable kernels = make_kernel_table();
  static const CudaLibrary library{.size = sizeof library,
                                   .hash = interface_hash(),
                                   .version = TRANSFUSION_VERSION,
                                   .kernels = &kernels,
                                   .load_driver = load_driver,
                                   .device_count = device_count,
                                   .refusal = refusal,
                                   .open_device = open_device};
  return &library;
}

}  // namespace transfusion::cuda
