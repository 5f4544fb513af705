// Streams, and what the host does in their order.
#include <algorithm>

#include "driver/call.h"
#include "driver/entry_points.h"

namespace simulated {
namespace {

CUresult create_as(const char* function, CUstream* handle, unsigned flags, int priority) {
  return call_in_context(function, [&](Context& context, Lock&) {
    expect_pointer(handle, "phStream");
    if (flags & ~unsigned{CU_STREAM_NON_BLOCKING}) refuse(CUDA_ERROR_INVALID_VALUE, "flags %u", flags);
    const auto stream = std::make_shared<Stream>(&context, flags, std::clamp(priority, -5, 0));
    context.streams.push_back(stream);
    *handle = to_api<CUstream>(keep(stream));
  });
}

CUresult create(CUstream* handle, unsigned flags) { return create_as("cuStreamCreate", handle, flags, 0); }

CUresult create_with_priority(CUstream* handle, unsigned flags, int priority) {
  return create_as("cuStreamCreateWithPriority", handle, flags, priority);
}

// What was given to it is still done.
CUresult destroy(CUstream handle) {
  return call("cuStreamDestroy", [&](Lock&) {
    const auto stream = get<Stream>(handle, "stream");
    drop(stream.get());
    if (stream->idle()) std::erase(stream->context->streams, stream);
  });
}

CUresult synchronize(CUstream handle) {
  return call_in_context("cuStreamSynchronize", [&](Context& context, Lock& lock) {
    const auto stream = stream_of(context, handle);
    finish(*stream, lock);
  });
}

CUresult query(CUstream handle) {
  return call_in_context("cuStreamQuery", [&](Context& context, Lock&) {
    if (!stream_of(context, handle)->idle()) refuse(CUDA_ERROR_NOT_READY);
  });
}

CUresult get_priority(CUstream handle, int* priority) {
  return call_in_context("cuStreamGetPriority",
                         [&](Context& context, Lock&) { *priority = stream_of(context, handle)->priority; });
}

CUresult get_flags(CUstream handle, unsigned* flags) {
  return call_in_context("cuStreamGetFlags",
                         [&](Context& context, Lock&) { *flags = stream_of(context, handle)->flags; });
}

CUresult get_context(CUstream handle, CUcontext* context) {
  return call("cuStreamGetCtx", [&](Lock&) {
    Context* const owner = handle ? get<Stream>(handle, "stream")->context : &current_context();
    *context = reinterpret_cast<CUcontext>(owner);
  });
}

// The event may belong to another device.
CUresult wait_event(CUstream handle, CUevent event, unsigned flags) {
  return call_in_context("cuStreamWaitEvent", [&](Context& context, Lock&) {
    if (flags & ~unsigned{CU_EVENT_WAIT_EXTERNAL}) refuse(CUDA_ERROR_INVALID_VALUE, "flags %u", flags);
    const auto stream = stream_of(context, handle);
    const auto record = get<Event>(event, "event")->record;
    if (!record) return;  // never recorded: nothing to wait for
    context.device.give(*stream, {.call = "cuStreamWaitEvent", .ready = [record] { return record->done; }});
  });
}

void run_on_host(const std::function<void()>& function) {
  in_host_function() = true;
  function();
  in_host_function() = false;
}

CUresult launch_host_function(CUstream handle, CUhostFn function, void* data) {
  return call_in_context("cuLaunchHostFunc", [&](Context& context, Lock&) {
    if (!function) refuse(CUDA_ERROR_INVALID_VALUE, "fn is null");
    const auto stream = stream_of(context, handle);
    context.device.give(*stream,
                        {.call = "cuLaunchHostFunc", .run = [=] { run_on_host([=] { function(data); }); }});
  });
}

CUresult add_callback(CUstream handle, CUstreamCallback callback, void* data, unsigned flags) {
  return call_in_context("cuStreamAddCallback", [&](Context& context, Lock&) {
    if (!callback || flags) refuse(CUDA_ERROR_INVALID_VALUE, "callback is null or flags are not 0");
    const auto stream = stream_of(context, handle);
    context.device.give(*stream, {.call = "cuStreamAddCallback", .run = [=] {
                                    run_on_host([=] { callback(handle, CUDA_SUCCESS, data); });
                                  }});
  });
}

}  // namespace

EntryPoints stream_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuStreamCreate, 2000, create),
      ENTRY(cuStreamCreateWithPriority, 5050, create_with_priority),
      ENTRY(cuStreamDestroy, 4000, destroy),
      ENTRY(cuStreamSynchronize, 2000, synchronize),
      ENTRY(cuStreamQuery, 2000, query),
      ENTRY(cuStreamGetPriority, 5050, get_priority),
      ENTRY(cuStreamGetFlags, 5050, get_flags),
      ENTRY(cuStreamGetCtx, 9020, get_context),
      ENTRY(cuStreamWaitEvent, 3020, wait_event),
      ENTRY(cuLaunchHostFunc, 10000, launch_host_function),
      ENTRY(cuStreamAddCallback, 5000, add_callback),
  };
  return entries;
}

}  // namespace simulated
