// Contexts: the primary one of each device, current per thread.
#include "driver/call.h"
#include "driver/entry_points.h"

namespace simulated {
namespace {

CUcontext to_context(Context* context) { return reinterpret_cast<CUcontext>(context); }

void begin(Context& context, unsigned flags) {
  context.flags = flags;
  context.error = CUDA_SUCCESS;
  context.legacy = std::make_shared<Stream>(&context, CU_STREAM_DEFAULT, 0);
  for (const auto& [base, memory] : driver().addresses.all())
    if (memory.kind == HandedOut::Kind::host && !memory.freed)
      context.device.memory.add_before_work(base, memory.bytes, MemoryKind::pinned);
}

// All that belongs to it goes.
void end(Context& context, Lock& lock) {
  finish(context, lock);
  Driver& all = driver();
  std::erase_if(all.handles, [&](const auto& entry) { return entry.second->context == &context; });
  for (auto& [base, memory] : all.addresses.all()) {
    if (memory.freed || memory.kind == HandedOut::Kind::registered) continue;
    if (memory.device && memory.device != &context.device) continue;
    context.device.memory.remove_before_work(base);
    if (memory.device) memory.freed = true;
  }
  context.streams.clear();
  context.device.allocated = 0;
  context.device.default_pool.used = context.device.default_pool.reserved = 0;
}

CUresult retain(CUcontext* handle, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", [&](Lock&) {
    expect_pointer(handle, "pctx");
    Context& context = device_of(device).context;
    if (!context.retained++) begin(context, context.flags);
    *handle = to_context(&context);
  });
}

CUresult release(CUdevice device) {
  return call("cuDevicePrimaryCtxRelease", [&](Lock& lock) {
    Context& context = device_of(device).context;
    if (!context.retained)
      refuse(CUDA_ERROR_INVALID_CONTEXT, "the primary context of device %d is not retained", device);
    if (context.retained == 1) end(context, lock);
    --context.retained;
  });
}

CUresult get_state(CUdevice device, unsigned* flags, int* active) {
  return call("cuDevicePrimaryCtxGetState", [&](Lock&) {
    const Context& context = device_of(device).context;
    *flags = context.flags;
    *active = context.retained > 0;
  });
}

CUresult set_flags(CUdevice device, unsigned flags) {
  return call("cuDevicePrimaryCtxSetFlags", [&](Lock&) { device_of(device).context.flags = flags; });
}

CUresult set_current(CUcontext handle) {
  return call("cuCtxSetCurrent", [&](Lock&) {
    auto& stack = context_stack();
    Context* const context = handle ? &context_of(handle) : nullptr;
    if (stack.empty())
      stack.push_back(context);
    else
      stack.back() = context;
  });
}

CUresult get_current(CUcontext* handle) {
  return call("cuCtxGetCurrent", [&](Lock&) {
    expect_pointer(handle, "pctx");
    const auto& stack = context_stack();
    *handle = stack.empty() ? nullptr : to_context(stack.back());
  });
}

CUresult push_current(CUcontext handle) {
  return call("cuCtxPushCurrent", [&](Lock&) { context_stack().push_back(&context_of(handle)); });
}

CUresult pop_current(CUcontext* handle) {
  return call("cuCtxPopCurrent", [&](Lock&) {
    auto& stack = context_stack();
    if (stack.empty()) refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread");
    if (handle) *handle = to_context(stack.back());
    stack.pop_back();
  });
}

CUresult synchronize() {
  return call_in_context("cuCtxSynchronize", [](Context& context, Lock& lock) { finish(context, lock); });
}

CUresult get_device(CUdevice* device) {
  return call("cuCtxGetDevice", [&](Lock&) {
    expect_pointer(device, "device");
    *device = current_context().device.ordinal;
  });
}

CUresult get_priority_range(int* least, int* greatest) {
  return call("cuCtxGetStreamPriorityRange", [&](Lock&) {
    current_context();
    if (least) *least = 0;
    if (greatest) *greatest = -5;
  });
}

}  // namespace

EntryPoints context_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuDevicePrimaryCtxRetain, 7000, retain),
      ENTRY(cuDevicePrimaryCtxRelease, 11000, release),
      ENTRY(cuDevicePrimaryCtxGetState, 7000, get_state),
      ENTRY(cuDevicePrimaryCtxSetFlags, 11000, set_flags),
      ENTRY(cuCtxSetCurrent, 4000, set_current),
      ENTRY(cuCtxGetCurrent, 4000, get_current),
      ENTRY(cuCtxPushCurrent, 4000, push_current),
      ENTRY(cuCtxPopCurrent, 4000, pop_current),
      ENTRY(cuCtxSynchronize, 2000, synchronize),
      ENTRY(cuCtxGetDevice, 2000, get_device),
      ENTRY(cuCtxGetStreamPriorityRange, 5050, get_priority_range),
  };
  return entries;
}

}  // namespace simulated
