// Events: what was given before them to their stream is done.
#include "driver/call.h"
#include "driver/entry_points.h"

namespace simulated {
namespace {

CUresult create(CUevent* handle, unsigned flags) {
  return call_in_context("cuEventCreate", [&](Context& context, Lock&) {
    expect_pointer(handle, "phEvent");
    constexpr unsigned kKnown = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING;
    if (flags & ~kKnown)
      refuse(flags & CU_EVENT_INTERPROCESS ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE, "flags %u",
             flags);
    *handle = to_api<CUevent>(keep(std::make_shared<Event>(&context, flags)));
  });
}

CUresult record(CUevent handle, CUstream stream_handle) {
  return call_in_context("cuEventRecord", [&](Context& context, Lock&) {
    const auto stream = stream_of(context, stream_handle);
    const auto event = get<Event>(handle, "event");
    if (event->context != &context)
      refuse(CUDA_ERROR_INVALID_HANDLE, "the event belongs to device %d, the stream to device %d",
             event->context->device.ordinal, context.device.ordinal);
    const auto record = std::make_shared<Record>();
    event->record = record;
    context.device.give(*stream, {.call = "cuEventRecord", .completed = [record] {
                                    record->time = Time::now();
                                    record->done = true;
                                  }});
  });
}

void expect_sound(const Event& event) {
  if (event.context->error) refuse(event.context->error);
}

// Any thread may ask, also one where the event's context is not current.
CUresult synchronize(CUevent handle) {
  return call("cuEventSynchronize", [&](Lock& lock) {
    const auto event = get<Event>(handle, "event");
    const auto record = event->record;
    driver().done.wait(lock, [&] { return !record || record->done || event->context->error; });
    expect_sound(*event);
  });
}

CUresult query(CUevent handle) {
  return call("cuEventQuery", [&](Lock&) {
    const auto event = get<Event>(handle, "event");
    expect_sound(*event);
    if (event->record && !event->record->done) refuse(CUDA_ERROR_NOT_READY);
  });
}

CUresult elapsed_time(float* milliseconds, CUevent start_handle, CUevent end_handle) {
  return call("cuEventElapsedTime", [&](Lock&) {
    expect_pointer(milliseconds, "pMilliseconds");
    const auto start = get<Event>(start_handle, "event"), end = get<Event>(end_handle, "event");
    if (start->context != end->context)
      refuse(CUDA_ERROR_INVALID_HANDLE, "the events belong to different devices");
    if ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING)
      refuse(CUDA_ERROR_INVALID_HANDLE, "an event was created with CU_EVENT_DISABLE_TIMING");
    if (!start->record || !end->record) refuse(CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
    expect_sound(*start);
    if (!start->record->done || !end->record->done) refuse(CUDA_ERROR_NOT_READY);
    *milliseconds = std::chrono::duration<float, std::milli>(end->record->time - start->record->time).count();
  });
}

CUresult destroy(CUevent handle) {
  return call("cuEventDestroy", [&](Lock&) { drop(get<Event>(handle, "event").get()); });
}

}  // namespace

EntryPoints event_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuEventCreate, 2000, create),
      ENTRY(cuEventRecord, 2000, record),
      ENTRY(cuEventSynchronize, 2000, synchronize),
      ENTRY(cuEventQuery, 2000, query),
      ENTRY(cuEventElapsedTime, 2000, elapsed_time),
      ENTRY(cuEventElapsedTime, 12080, elapsed_time),
      ENTRY(cuEventDestroy, 4000, destroy),
  };
  return entries;
}

}  // namespace simulated
