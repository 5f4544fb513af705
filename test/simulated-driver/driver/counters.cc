#include "driver/counters.h"

#include <cstdio>
#include <mutex>
#include <string>

#include "driver/settings.h"

namespace simulated {
namespace {

std::string to_json(const Launch& launch, const Counters& counters) {
  std::string json = "{\"kernel\":\"" + launch.function->name + "\"";
  const auto field = [&](const std::string& name, u64 value) {
    json += ",\"" + name + "\":" + std::to_string(value);
  };
  field("blocks", counters.blocks);
  field("threads", launch.block.count());
  field("dynamic_shared", launch.dynamic_shared);
  field("warp_instructions", counters.warp_instructions);
  field("thread_instructions", counters.thread_instructions);
  for (size_t i = 0; i < counters.of_class.size(); ++i)
    field(std::string("instructions_") + name(static_cast<InstructionClass>(i)), counters.of_class[i]);
  field("global_requests", counters.global_requests);
  field("global_sectors", counters.global_sectors);
  field("global_bytes", counters.global_bytes);
  field("memory_sectors", counters.memory_sectors);
  field("shared_requests", counters.shared_requests);
  field("shared_wavefronts", counters.shared_wavefronts);
  field("shared_ideal_wavefronts", counters.shared_ideal_wavefronts);
  field("shared_bytes", counters.shared_bytes);
  return json + "}\n";
}

}  // namespace

void write_counters(const Launch& launch, const Counters& counters) {
  static std::mutex mutex;
  static std::FILE* const file = std::fopen(settings().counters.c_str(), "a");
  if (!file) return;
  const std::string line = to_json(launch, counters);
  std::lock_guard lock(mutex);
  // At once: nobody may be there to do it when the process ends.
  std::fwrite(line.data(), 1, line.size(), file);
  std::fflush(file);
}

}  // namespace simulated
