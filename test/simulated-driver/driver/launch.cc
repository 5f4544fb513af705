// Launches: what the real driver refuses at the call, and what a kernel finds later.
#include <cstring>

#include "driver/counters.h"
#include "driver/entry_points.h"
#include "driver/limits.h"
#include "driver/modules.h"

namespace simulated {
namespace {

void expect_dimensions(const char* kernel, const char* what, const Dimensions& size,
                       const Dimensions& limit) {
  const auto expect = [&](char axis, u32 value, u32 most) {
    if (value < 1 || value > most)
      refuse(CUDA_ERROR_INVALID_VALUE, "%s: %s.%c is %u, it is to be 1 to %u", kernel, what, axis, value,
             most);
  };
  expect('x', size.x, limit.x);
  expect('y', size.y, limit.y);
  expect('z', size.z, limit.z);
}

void expect_block(const Function& function, const Dimensions& block) {
  const char* const name = function.name.c_str();
  expect_dimensions(name, "block", block, kMaxBlock);
  if (block.count() > kMaxThreadsPerBlock)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %llu threads in a block, the limit is %u", name,
           static_cast<unsigned long long>(block.count()), kMaxThreadsPerBlock);
  if (const u64 most = function.max_threads.count(); most && block.count() > most)
    refuse(CUDA_ERROR_INVALID_VALUE,
           "%s: %llu threads in a block, it was compiled for at most %llu (.maxntid)", name,
           static_cast<unsigned long long>(block.count()), static_cast<unsigned long long>(most));
}

void expect_shared(const Kernel& kernel, const Device& device, size_t dynamic_shared) {
  const size_t limit = kernel.dynamic_shared_limit(device);
  if (dynamic_shared > limit)
    refuse(CUDA_ERROR_INVALID_VALUE,
           "%s: %zu bytes of dynamic shared memory, %zu are allowed: more than 48 KB need "
           "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES",
           kernel.function->name.c_str(), dynamic_shared, limit);
}

std::vector<std::byte> parameters_from(const Function& function, void** pointers, void** extra) {
  const char* const name = function.name.c_str();
  std::vector<std::byte> bytes(function.parameter_bytes);
  if (bytes.empty()) return bytes;
  if (pointers && extra) refuse(CUDA_ERROR_INVALID_VALUE, "%s: kernelParams and extra are both given", name);
  if (pointers) {
    for (const Variable& parameter : function.parameters)
      std::memcpy(bytes.data() + parameter.offset, pointers[&parameter - function.parameters.data()],
                  parameter.bytes);
    return bytes;
  }
  const void* buffer = nullptr;
  size_t size = 0;
  for (; extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = extra[1];
    else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
      size = *static_cast<const size_t*>(extra[1]);
    else
      refuse(CUDA_ERROR_INVALID_VALUE, "%s: extra holds what is no CU_LAUNCH_PARAM", name);
  }
  if (!buffer) refuse(CUDA_ERROR_INVALID_VALUE, "%s: no arguments are given", name);
  if (size != bytes.size())
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes of arguments, the kernel takes %zu", name, size,
           bytes.size());
  std::memcpy(bytes.data(), buffer, size);
  return bytes;
}

struct Request {
  Dimensions grid, block;
  size_t dynamic_shared;
  CUstream stream;
};

CUresult launch_as(const char* call, const Request& request, CUfunction handle, void** pointers,
                   void** extra) {
  return call_in_context(call, [&](Context& context, Lock&) {
    Device& device = context.device;
    const Kernel& kernel = kernel_of(handle, context);
    const Function& function = *kernel.function;
    const auto stream = stream_of(context, request.stream);
    expect_dimensions(function.name.c_str(), "grid", request.grid, kMaxGrid);
    expect_block(function, request.block);
    expect_shared(kernel, device, request.dynamic_shared);
    const auto launch = std::make_shared<Launch>();
    launch->function = &function;
    launch->grid = request.grid;
    launch->block = request.block;
    launch->dynamic_shared = request.dynamic_shared;
    launch->parameters = parameters_from(function, pointers, extra);
    launch->globals = kernel.image->globals_on(device);
    const bool counted = !settings().counters.empty();
    const Options options{.seed = static_cast<u32>(device.random()), .count = counted};
    device.give(*stream, {.call = call, .run = [=, &device, module = kernel.image->module] {
                            DeviceMemory::Open memory(device.memory);
                            Counters counters;
                            if (settings().run)
                              counters = run(*launch, *memory, options);
                            else
                              counters.blocks = launch->grid.count();
                            if (counted) write_counters(*launch, counters);
                          }});
  });
}

CUresult launch_kernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                       unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic_shared,
                       CUstream stream, void** pointers, void** extra) {
  return launch_as("cuLaunchKernel",
                   {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_shared, stream}, function,
                   pointers, extra);
}

// Of attributes, those that a GPU of compute capability 8.0 takes and that change nothing here.
void expect_attributes(const CUlaunchConfig& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const CUlaunchAttribute& attribute = config.attrs[i];
    switch (attribute.id) {
      case CU_LAUNCH_ATTRIBUTE_IGNORE:
      case CU_LAUNCH_ATTRIBUTE_PRIORITY:
        break;
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: {
        const auto& size = attribute.value.clusterDim;
        if (size.x * size.y * size.z > 1)
          refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE, "clusters need compute capability 9.0");
        break;
      }
      default:
        refuse(CUDA_ERROR_NOT_SUPPORTED, "the simulated driver does not know launch attribute %d",
               attribute.id);
    }
  }
}

CUresult launch_kernel_ex(const CUlaunchConfig* config, CUfunction function, void** pointers, void** extra) {
  const CUresult code = answer("cuLaunchKernelEx", [&] {
    expect_pointer(config, "config");
    expect_attributes(*config);
  });
  if (code) return code;
  return launch_as("cuLaunchKernelEx",
                   {{config->gridDimX, config->gridDimY, config->gridDimZ},
                    {config->blockDimX, config->blockDimY, config->blockDimZ},
                    config->sharedMemBytes,
                    config->hStream},
                   function, pointers, extra);
}

}  // namespace

EntryPoints launch_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuLaunchKernel, 4000, launch_kernel),
      ENTRY(cuLaunchKernelEx, 11060, launch_kernel_ex),
  };
  return entries;
}

}  // namespace simulated
