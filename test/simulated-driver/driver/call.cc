#include "driver/call.h"

#include <unistd.h>

namespace simulated {

std::vector<Context*>& context_stack() {
  thread_local std::vector<Context*> stack;
  return stack;
}

bool& in_host_function() {
  thread_local bool inside = false;
  return inside;
}

void expect_initialised() {
  if (!driver().process) refuse(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
  if (driver().process != getpid())
    refuse(CUDA_ERROR_NOT_INITIALIZED, "the process was forked after cuInit; CUDA does not work in it");
  if (in_host_function())
    refuse(CUDA_ERROR_NOT_PERMITTED, "a function given by cuLaunchHostFunc calls the driver");
}

Context& current_context() {
  const auto& stack = context_stack();
  if (stack.empty() || !stack.back())
    refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread: cuCtxSetCurrent is per thread");
  if (!stack.back()->retained)
    refuse(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the primary context of device %d was released",
           stack.back()->device.ordinal);
  return *stack.back();
}

Device& device_of(CUdevice ordinal) {
  const auto& devices = driver().devices;
  if (ordinal < 0 || static_cast<size_t>(ordinal) >= devices.size())
    refuse(CUDA_ERROR_INVALID_DEVICE, "there is no device %d, there are %zu", ordinal, devices.size());
  return *devices[ordinal];
}

Context& context_of(CUcontext handle) {
  for (const auto& device : driver().devices)
    if (reinterpret_cast<CUcontext>(&device->context) == handle && device->context.retained)
      return device->context;
  refuse(CUDA_ERROR_INVALID_CONTEXT, "%p is no context", static_cast<void*>(handle));
}

}  // namespace simulated
