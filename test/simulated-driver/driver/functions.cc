// Kernels: what is known of them, what may be set.
#include <algorithm>

#include "driver/entry_points.h"
#include "driver/limits.h"
#include "driver/modules.h"

namespace simulated {

size_t Kernel::dynamic_shared_limit(const Device& device) const {
  const auto set = dynamic_shared.find(&device);
  if (set != dynamic_shared.end()) return set->second;
  return kSharedPerBlock - std::min<size_t>(kSharedPerBlock, function->static_shared);
}

Kernel& kernel_of(CUfunction handle, const Context& context) {
  const auto object = get<Handle>(handle, "function");
  if (object->context && object->context != &context)
    refuse(CUDA_ERROR_INVALID_HANDLE, "the function belongs to device %d, the current context to device %d",
           object->context->device.ordinal, context.device.ordinal);
  if (const auto kernel = std::dynamic_pointer_cast<Kernel>(object)) return *kernel;
  if (const auto function = std::dynamic_pointer_cast<ContextFunction>(object)) return *function->kernel;
  refuse(CUDA_ERROR_INVALID_HANDLE, "%p is no function", static_cast<void*>(handle));
}

namespace {

// PTX does not say it; occupancy here counts threads and shared memory alone.
constexpr int kRegisters = 32;

int attribute_of(const Kernel& kernel, const Device& device, CUfunction_attribute attribute) {
  const Function& function = *kernel.function;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: {
      const u64 threads = function.max_threads.count();
      return threads ? static_cast<int>(threads) : static_cast<int>(kMaxThreadsPerBlock);
    }
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      return static_cast<int>(function.static_shared);
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      return static_cast<int>(function.local_bytes);
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      return kRegisters;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      return kernel.image->module->target;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      return device.compute;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return static_cast<int>(kernel.dynamic_shared_limit(device));
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      return 0;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return -1;
    default:
      refuse(CUDA_ERROR_INVALID_VALUE, "the simulated driver does not know attribute %d", attribute);
  }
}

void set_attribute_of(Kernel& kernel, const Device& device, CUfunction_attribute attribute, int value) {
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return;  // a hint
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    refuse(CUDA_ERROR_INVALID_VALUE, "attribute %d cannot be set", attribute);
  if (value < 0 || value + kernel.function->static_shared > kSharedPerBlockOptIn)
    refuse(CUDA_ERROR_INVALID_VALUE,
           "%s: %d bytes of dynamic and %zu of static shared memory, a block may have %u",
           kernel.function->name.c_str(), value, kernel.function->static_shared, kSharedPerBlockOptIn);
  kernel.dynamic_shared[&device] = static_cast<size_t>(value);
}

void parameter_of(const Kernel& kernel, size_t index, size_t* offset, size_t* bytes) {
  const auto& parameters = kernel.function->parameters;
  if (index >= parameters.size()) refuse(CUDA_ERROR_INVALID_VALUE);  // how programs count them
  expect_pointer(offset, "paramOffset");
  *offset = parameters[index].offset;
  if (bytes) *bytes = parameters[index].bytes;
}

CUresult kernel_function(CUfunction* function, CUkernel handle) {
  return call_in_context("cuKernelGetFunction", [&](Context& context, Lock&) {
    expect_pointer(function, "pFunc");
    const auto kernel = get<Kernel>(handle, "kernel");
    auto& entry = kernel->functions[&context];
    if (!entry || !driver().handles.contains(entry.get())) {
      const auto made = std::make_shared<ContextFunction>(&context, kernel.get());
      keep(made);
      entry = made;
    }
    *function = to_api<CUfunction>(entry.get());
  });
}

CUresult kernel_set_attribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device) {
  return call("cuKernelSetAttribute", [&](Lock&) {
    set_attribute_of(*get<Kernel>(kernel, "kernel"), device_of(device), attribute, value);
  });
}

CUresult kernel_get_attribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  return call("cuKernelGetAttribute", [&](Lock&) {
    expect_pointer(value, "pi");
    *value = attribute_of(*get<Kernel>(kernel, "kernel"), device_of(device), attribute);
  });
}

CUresult kernel_parameter(CUkernel kernel, size_t index, size_t* offset, size_t* bytes) {
  return call("cuKernelGetParamInfo",
              [&](Lock&) { parameter_of(*get<Kernel>(kernel, "kernel"), index, offset, bytes); });
}

CUresult set_attribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return call_in_context("cuFuncSetAttribute", [&](Context& context, Lock&) {
    set_attribute_of(kernel_of(function, context), context.device, attribute, value);
  });
}

CUresult get_attribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  return call_in_context("cuFuncGetAttribute", [&](Context& context, Lock&) {
    expect_pointer(value, "pi");
    *value = attribute_of(kernel_of(function, context), context.device, attribute);
  });
}

CUresult parameter(CUfunction function, size_t index, size_t* offset, size_t* bytes) {
  return call_in_context("cuFuncGetParamInfo", [&](Context& context, Lock&) {
    parameter_of(kernel_of(function, context), index, offset, bytes);
  });
}

CUresult load(CUfunction function) {
  return call_in_context("cuFuncLoad", [&](Context& context, Lock&) { kernel_of(function, context); });
}

CUresult max_active_blocks(int* blocks, CUfunction function, int threads, size_t dynamic_shared) {
  return call_in_context("cuOccupancyMaxActiveBlocksPerMultiprocessor", [&](Context& context, Lock&) {
    expect_pointer(blocks, "numBlocks");
    const Kernel& kernel = kernel_of(function, context);
    if (threads <= 0 || threads > static_cast<int>(kMaxThreadsPerBlock))
      refuse(CUDA_ERROR_INVALID_VALUE, "%d threads in a block", threads);
    const size_t shared = kernel.function->static_shared + dynamic_shared + kSharedReserved;
    const int warps = (threads + 31) / 32;
    *blocks = std::min({kBlocksPerMultiprocessor, kThreadsPerMultiprocessor / (warps * 32),
                        static_cast<int>(kSharedPerMultiprocessor / shared)});
    if (dynamic_shared > kernel.dynamic_shared_limit(context.device)) *blocks = 0;
  });
}

}  // namespace

EntryPoints function_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuKernelGetFunction, 12000, kernel_function),
      ENTRY(cuKernelSetAttribute, 12000, kernel_set_attribute),
      ENTRY(cuKernelGetAttribute, 12000, kernel_get_attribute),
      ENTRY(cuKernelGetParamInfo, 12040, kernel_parameter),
      ENTRY(cuFuncSetAttribute, 9000, set_attribute),
      ENTRY(cuFuncGetAttribute, 2020, get_attribute),
      ENTRY(cuFuncGetParamInfo, 12040, parameter),
      ENTRY(cuFuncLoad, 12040, load),
      ENTRY(cuOccupancyMaxActiveBlocksPerMultiprocessor, 6050, max_active_blocks),
  };
  return entries;
}

}  // namespace simulated
