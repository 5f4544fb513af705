// Copies and sets. All are work of a stream; those that return when they are done wait for it.
#include <cstring>

#include "driver/entry_points.h"
#include "driver/handed_out.h"

namespace simulated {
namespace {

uint64_t to_address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

Place device_place(uint64_t address, size_t bytes, const char* argument) {
  const HandedOut& memory = memory_at(address, bytes, argument);
  return {memory.device ? &memory.device->memory : nullptr, address};
}

// Copies that return at once want pinned memory: with any other the real driver waits, or reads it at once.
Place host_place(const void* pointer, size_t bytes, const char* argument) {
  expect_pointer(pointer, argument);
  if (!pinned_at(pointer, bytes))
    refuse(
        CUDA_ERROR_INVALID_VALUE,
        "%s: %p is pageable memory of the host, with which the copy is not asynchronous: use cuMemHostAlloc",
        argument, pointer);
  return {nullptr, to_address(pointer)};
}

void give_copy(Context& context, CUstream handle, Place target, Place source, size_t bytes,
               const char* function) {
  const auto stream = stream_of(context, handle);
  context.device.give(*stream, {.call = function, .run = [=] { copy_bytes(target, source, bytes); }});
}

void copy_and_wait(Context& context, Place target, Place source, size_t bytes, const char* function,
                   Lock& lock) {
  give_copy(context, nullptr, target, source, bytes, function);
  finish(*context.legacy, lock);
}

CUresult to_device(CUdeviceptr target, const void* source, size_t bytes) {
  return call_in_context("cuMemcpyHtoD", [&](Context& context, Lock& lock) {
    if (!bytes) return;
    expect_pointer(source, "srcHost");
    copy_and_wait(context, device_place(target, bytes, "dstDevice"), {nullptr, to_address(source)}, bytes,
                  "cuMemcpyHtoD", lock);
  });
}

CUresult to_host(void* target, CUdeviceptr source, size_t bytes) {
  return call_in_context("cuMemcpyDtoH", [&](Context& context, Lock& lock) {
    if (!bytes) return;
    expect_pointer(target, "dstHost");
    copy_and_wait(context, {nullptr, to_address(target)}, device_place(source, bytes, "srcDevice"), bytes,
                  "cuMemcpyDtoH", lock);
  });
}

CUresult within_device(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
  return call_in_context("cuMemcpyDtoD", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, nullptr, device_place(target, bytes, "dstDevice"),
              device_place(source, bytes, "srcDevice"), bytes, "cuMemcpyDtoD");
  });
}

CUresult copy(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
  return call_in_context("cuMemcpy", [&](Context& context, Lock& lock) {
    if (!bytes) return;
    copy_and_wait(context, device_place(target, bytes, "dst"), device_place(source, bytes, "src"), bytes,
                  "cuMemcpy", lock);
  });
}

CUresult to_device_async(CUdeviceptr target, const void* source, size_t bytes, CUstream stream) {
  return call_in_context("cuMemcpyHtoDAsync", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, stream, device_place(target, bytes, "dstDevice"), host_place(source, bytes, "srcHost"),
              bytes, "cuMemcpyHtoDAsync");
  });
}

CUresult to_host_async(void* target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return call_in_context("cuMemcpyDtoHAsync", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, stream, host_place(target, bytes, "dstHost"), device_place(source, bytes, "srcDevice"),
              bytes, "cuMemcpyDtoHAsync");
  });
}

CUresult within_device_async(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return call_in_context("cuMemcpyDtoDAsync", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, stream, device_place(target, bytes, "dstDevice"),
              device_place(source, bytes, "srcDevice"), bytes, "cuMemcpyDtoDAsync");
  });
}

CUresult copy_async(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return call_in_context("cuMemcpyAsync", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, stream, device_place(target, bytes, "dst"), device_place(source, bytes, "src"), bytes,
              "cuMemcpyAsync");
  });
}

CUresult between_devices_async(CUdeviceptr target, CUcontext, CUdeviceptr source, CUcontext, size_t bytes,
                               CUstream stream) {
  return call_in_context("cuMemcpyPeerAsync", [&](Context& context, Lock&) {
    if (!bytes) return;
    give_copy(context, stream, device_place(target, bytes, "dstDevice"),
              device_place(source, bytes, "srcDevice"), bytes, "cuMemcpyPeerAsync");
  });
}

// Of device memory asynchronous, also those that take no stream.
CUresult set(const char* function, CUdeviceptr target, uint64_t value, size_t width, size_t count,
             CUstream handle) {
  return call_in_context(function, [&](Context& context, Lock&) {
    if (!count) return;
    if (target % width) refuse(CUDA_ERROR_INVALID_VALUE, "dstDevice is to be a multiple of %zu", width);
    const Place place = device_place(target, width * count, "dstDevice");
    const auto stream = stream_of(context, handle);
    context.device.give(
        *stream,
        {.call = function, .run = [=, &context] {
           set_bytes(place.memory ? place : Place{&context.device.memory, target}, value, width, count);
         }});
  });
}

CUresult set8(CUdeviceptr target, unsigned char value, size_t count) {
  return set("cuMemsetD8", target, value, 1, count, nullptr);
}
CUresult set16(CUdeviceptr target, unsigned short value, size_t count) {
  return set("cuMemsetD16", target, value, 2, count, nullptr);
}
CUresult set32(CUdeviceptr target, unsigned value, size_t count) {
  return set("cuMemsetD32", target, value, 4, count, nullptr);
}
CUresult set8_async(CUdeviceptr target, unsigned char value, size_t count, CUstream stream) {
  return set("cuMemsetD8Async", target, value, 1, count, stream);
}
CUresult set16_async(CUdeviceptr target, unsigned short value, size_t count, CUstream stream) {
  return set("cuMemsetD16Async", target, value, 2, count, stream);
}
CUresult set32_async(CUdeviceptr target, unsigned value, size_t count, CUstream stream) {
  return set("cuMemsetD32Async", target, value, 4, count, stream);
}

CUresult write(const char* function, CUstream handle, CUdeviceptr target, uint64_t value, size_t width,
               unsigned flags) {
  if (flags & ~unsigned{CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER})
    return answer(function, [&] { refuse(CUDA_ERROR_INVALID_VALUE, "flags %u", flags); });
  return set(function, target, value, width, 1, handle);
}

CUresult write32(CUstream stream, CUdeviceptr target, cuuint32_t value, unsigned flags) {
  return write("cuStreamWriteValue32", stream, target, value, 4, flags);
}
CUresult write64(CUstream stream, CUdeviceptr target, cuuint64_t value, unsigned flags) {
  return write("cuStreamWriteValue64", stream, target, value, 8, flags);
}

}  // namespace

EntryPoints copy_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuMemcpy, 4000, copy),
      ENTRY(cuMemcpyAsync, 4000, copy_async),
      ENTRY(cuMemcpyHtoD, 3020, to_device),
      ENTRY(cuMemcpyHtoDAsync, 3020, to_device_async),
      ENTRY(cuMemcpyDtoH, 3020, to_host),
      ENTRY(cuMemcpyDtoHAsync, 3020, to_host_async),
      ENTRY(cuMemcpyDtoD, 3020, within_device),
      ENTRY(cuMemcpyDtoDAsync, 3020, within_device_async),
      ENTRY(cuMemcpyPeerAsync, 4000, between_devices_async),
      ENTRY(cuMemsetD8, 3020, set8),
      ENTRY(cuMemsetD16, 3020, set16),
      ENTRY(cuMemsetD32, 3020, set32),
      ENTRY(cuMemsetD8Async, 3020, set8_async),
      ENTRY(cuMemsetD16Async, 3020, set16_async),
      ENTRY(cuMemsetD32Async, 3020, set32_async),
      ENTRY(cuStreamWriteValue32, 11070, write32),
      ENTRY(cuStreamWriteValue64, 11070, write64),
  };
  return entries;
}

}  // namespace simulated
