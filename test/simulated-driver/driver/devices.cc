// Devices: what a GPU says of itself.
#include <cstdio>
#include <cstring>

#include "driver/call.h"
#include "driver/entry_points.h"
#include "driver/limits.h"

namespace simulated {
namespace {

CUresult get_count(int* count) {
  return call("cuDeviceGetCount", [&](Lock&) {
    expect_pointer(count, "count");
    *count = static_cast<int>(driver().devices.size());
  });
}

CUresult get(CUdevice* device, int ordinal) {
  return call("cuDeviceGet", [&](Lock&) {
    expect_pointer(device, "device");
    *device = device_of(ordinal).ordinal;
  });
}

CUresult get_name(char* name, int size, CUdevice device) {
  return call("cuDeviceGetName", [&](Lock&) {
    const int compute = device_of(device).compute;
    std::snprintf(name, static_cast<size_t>(size), "Simulated GPU (compute %d.%d)", compute / 10,
                  compute % 10);
  });
}

CUresult get_uuid(CUuuid* uuid, CUdevice device) {
  return call("cuDeviceGetUuid", [&](Lock&) {
    device_of(device);
    std::memcpy(uuid->bytes, "simulated GPU ..", sizeof uuid->bytes);
    uuid->bytes[15] = static_cast<char>(device);
  });
}

CUresult get_pci_bus_id(char* id, int size, CUdevice device) {
  return call("cuDeviceGetPCIBusId", [&](Lock&) {
    device_of(device);
    std::snprintf(id, static_cast<size_t>(size), "0000:%02X:00.0", device + 1);
  });
}

CUresult total_memory(size_t* bytes, CUdevice device) {
  return call("cuDeviceTotalMem", [&](Lock&) {
    device_of(device);
    *bytes = settings().memory;
  });
}

int attribute(CUdevice_attribute attribute, const Device& device) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return device.compute / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return device.compute % 10;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return settings().multiprocessors;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return kMaxThreadsPerBlock;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
      return kMaxBlock.x;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      return kMaxBlock.y;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      return kMaxBlock.z;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      return kMaxGrid.x;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
      return kMaxGrid.y;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      return kMaxGrid.z;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      return kSharedPerBlock;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      return kSharedPerBlockOptIn;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      return kSharedPerMultiprocessor;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK:
      return kSharedReserved;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      return kThreadsPerMultiprocessor;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
      return kBlocksPerMultiprocessor;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      return 1410000;  // kHz
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      return 1215000;  // kHz
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
      return 5120;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      return 40 << 20;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
      return 3;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
      return device.ordinal + 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
      return CU_COMPUTEMODE_DEFAULT;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
      return 1;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      return settings().pools;
    default:
      return 0;
  }
}

CUresult get_attribute(int* value, CUdevice_attribute which, CUdevice device) {
  return call("cuDeviceGetAttribute", [&](Lock&) {
    expect_pointer(value, "pi");
    const Device& asked = device_of(device);
    if (which <= 0 || which >= CU_DEVICE_ATTRIBUTE_MAX)
      refuse(CUDA_ERROR_INVALID_VALUE, "there is no attribute %d", which);
    *value = attribute(which, asked);
  });
}

// Kernels see the memory of their own device alone; copies go through the host.
CUresult can_access_peer(int* can, CUdevice device, CUdevice peer) {
  return call("cuDeviceCanAccessPeer", [&](Lock&) {
    device_of(device), device_of(peer);
    *can = 0;
  });
}

CUresult get_p2p_attribute(int* value, CUdevice_P2PAttribute, CUdevice source, CUdevice target) {
  return call("cuDeviceGetP2PAttribute", [&](Lock&) {
    if (&device_of(source) == &device_of(target))
      refuse(CUDA_ERROR_INVALID_DEVICE, "both are device %d", source);
    *value = 0;
  });
}

}  // namespace

EntryPoints device_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuDeviceGetCount, 2000, get_count),
      ENTRY(cuDeviceGet, 2000, get),
      ENTRY(cuDeviceGetName, 2000, get_name),
      ENTRY(cuDeviceGetUuid, 9020, get_uuid),
      ENTRY(cuDeviceGetUuid, 11040, get_uuid),
      ENTRY(cuDeviceGetPCIBusId, 4010, get_pci_bus_id),
      ENTRY(cuDeviceTotalMem, 3020, total_memory),
      ENTRY(cuDeviceGetAttribute, 2000, get_attribute),
      ENTRY(cuDeviceCanAccessPeer, 4000, can_access_peer),
      ENTRY(cuDeviceGetP2PAttribute, 8000, get_p2p_attribute),
  };
  return entries;
}

}  // namespace simulated
