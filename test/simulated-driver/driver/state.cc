#include "driver/state.h"

#include <algorithm>

namespace simulated {

Driver::Driver() {
  for (int i = 0; i < settings().devices; ++i) devices.push_back(std::make_unique<Device>(i));
}

Driver& driver() {
  static Driver* const all = new Driver;
  return *all;
}

Device::Device(int ordinal)
    : ordinal(ordinal),
      compute(settings().compute[std::min<size_t>(ordinal, settings().compute.size() - 1)]),
      random(settings().seed * 7919 + ordinal) {}

size_t Device::free_memory() const {
  size_t taken = allocated;
  for (const Pool* pool : pools) taken += pool->reserved;
  return settings().memory > taken ? settings().memory - taken : 0;
}

void Pool::trim(size_t keep) { reserved = std::max<uint64_t>(used, std::min<uint64_t>(reserved, keep)); }

std::shared_ptr<Stream> stream_of(Context& context, CUstream handle) {
  if (handle == nullptr || handle == CU_STREAM_LEGACY) return context.legacy;
  if (handle == CU_STREAM_PER_THREAD)
    refuse(CUDA_ERROR_NOT_SUPPORTED, "the simulated driver has no per-thread default streams");
  auto stream = get<Stream>(handle, "stream");
  if (stream->context != &context)
    refuse(CUDA_ERROR_INVALID_HANDLE, "the stream belongs to device %d, the current context to device %d",
           stream->context->device.ordinal, context.device.ordinal);
  return stream;
}

void finish(Stream& stream, Lock& lock) {
  const uint64_t until = stream.given;
  driver().done.wait(lock, [&] { return stream.done >= until || stream.context->error; });
}

void finish(Context& context, Lock& lock) {
  std::vector<std::pair<std::shared_ptr<Stream>, uint64_t>> waits{{context.legacy, context.legacy->given}};
  for (const auto& stream : context.streams) waits.emplace_back(stream, stream->given);
  driver().done.wait(lock, [&] {
    return context.error || std::all_of(waits.begin(), waits.end(),
                                        [](const auto& wait) { return wait.first->done >= wait.second; });
  });
  for (Pool* pool : context.device.pools)
    if (pool->reserved > pool->threshold) pool->trim(pool->threshold);
}

}  // namespace simulated
