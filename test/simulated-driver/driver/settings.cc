#include "driver/settings.h"

#include <cstdlib>
#include <sstream>

namespace simulated {
namespace {

unsigned long long number(const char* name, unsigned long long otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<int> numbers(const char* name, std::vector<int> otherwise) {
  std::istringstream text(std::getenv(name) ? std::getenv(name) : "");
  std::vector<int> found;
  for (std::string item; std::getline(text, item, ',');) found.push_back(std::atoi(item.c_str()));
  return found.empty() ? otherwise : found;
}

Settings read() {
  Settings settings;
  settings.seed = static_cast<uint32_t>(number("TRANSFUSION_SIMULATOR_SEED", settings.seed));
  settings.devices = static_cast<int>(number("TRANSFUSION_SIMULATOR_DEVICES", 1));
  settings.memory = number("TRANSFUSION_SIMULATOR_MEMORY", settings.memory);
  settings.pinned = number("TRANSFUSION_SIMULATOR_PINNED", settings.pinned);
  settings.multiprocessors =
      static_cast<int>(number("TRANSFUSION_SIMULATOR_MULTIPROCESSORS", settings.multiprocessors));
  settings.version = static_cast<int>(number("TRANSFUSION_SIMULATOR_VERSION", 12000));
  settings.compute = numbers("TRANSFUSION_SIMULATOR_COMPUTE", settings.compute);
  settings.pools = number("TRANSFUSION_SIMULATOR_POOLS", 1) != 0;
  settings.run = number("TRANSFUSION_SIMULATOR_RUN", 1) != 0;
  if (const char* file = std::getenv("TRANSFUSION_SIMULATOR_COUNTERS")) settings.counters = file;
  return settings;
}

}  // namespace

const Settings& settings() {
  static const Settings* const all = new Settings(read());
  return *all;
}

}  // namespace simulated
