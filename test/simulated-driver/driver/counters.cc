#include "driver/counters.h"

#include <cstdio>
#include <map>

#include "driver/settings.h"

namespace simulated {
namespace {

struct Total {
  u64 launches = 0;
  Counters counters;
};

std::map<std::string, Total>& totals() {
  static auto* const all = new std::map<std::string, Total>;
  return *all;
}

std::string to_json(const std::string& kernel, const Total& total) {
  std::string json = "{\"kernel\":\"" + kernel + "\"";
  const auto field = [&](const std::string& name, u64 value) {
    json += ",\"" + name + "\":" + std::to_string(value);
  };
  const Counters& c = total.counters;
  field("launches", total.launches);
  field("blocks", c.blocks);
  field("warp_instructions", c.warp_instructions);
  field("thread_instructions", c.thread_instructions);
  for (size_t i = 0; i < c.of_class.size(); ++i)
    field(std::string("instructions_") + name(static_cast<InstructionClass>(i)), c.of_class[i]);
  field("global_requests", c.global_requests);
  field("global_sectors", c.global_sectors);
  field("global_bytes", c.global_bytes);
  field("shared_requests", c.shared_requests);
  field("shared_wavefronts", c.shared_wavefronts);
  field("shared_ideal_wavefronts", c.shared_ideal_wavefronts);
  field("shared_bytes", c.shared_bytes);
  return json + "}\n";
}

}  // namespace

void count(const std::string& kernel, const Counters& counters) {
  Total& total = totals()[kernel];
  ++total.launches;
  total.counters += counters;
}

void write_counters() {
  if (settings().counters.empty()) return;
  std::FILE* const file = std::fopen(settings().counters.c_str(), "a");
  if (!file) return;
  for (const auto& [kernel, total] : totals()) {
    const std::string line = to_json(kernel, total);
    std::fwrite(line.data(), 1, line.size(), file);
  }
  std::fclose(file);
}

}  // namespace simulated
