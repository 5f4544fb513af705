#include "devices.h"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>

#include "cpu/cpu_backend.h"
#include "cuda_library.h"
#include "interface_hash.h"

namespace transfusion {
namespace {

constexpr size_t kMostDevices = 65;

struct Registry {
  // Read without the lock: an entry is written once.
  std::array<std::atomic<Backend*>, kMostDevices> backends{};

  std::mutex mutex;
  std::vector<DeviceEntry> entries;
  const CudaLibrary* cuda = nullptr;  // once its driver is loaded
};

Registry& registry() {
  static Registry& all = []() -> Registry& {
    auto& made = *new Registry;
    made.entries.push_back({cpu_backend().device().name(), {}});
    made.backends[0] = &cpu_backend();
    return made;
  }();
  return all;
}

// Why the library is of no use, or nothing.
std::string load_library(const std::string& path, const std::string& version, const CudaLibrary*& library) {
  void* file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!file) return "its library cannot be loaded (" + std::string(dlerror()) + ")";
  const auto get = reinterpret_cast<CudaLibraryFunction>(dlsym(file, kCudaLibrarySymbol));
  if (!get) return path + " is not the library of the CUDA backend: it lacks " + kCudaLibrarySymbol;
  library = get();
  if (library->size != sizeof(CudaLibrary) || library->hash != interface_hash())
    return path + " is of another build than the addon: build both again";
  if (version != library->version)
    return path + " is of version " + library->version + ", this is transfusion-js " + version;
  return {};
}

}  // namespace

std::vector<DeviceEntry> devices() {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  return all.entries;
}

std::string open_cuda(const std::string& path, const std::string& version, const std::string& driver) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  if (all.cuda) return {};
  const CudaLibrary* library = nullptr;
  std::string problem = load_library(path, version, library);
  if (problem.empty()) problem = library->load_driver(driver);
  if (!problem.empty()) return problem;
  all.cuda = library;
  const int count = std::min<int>(library->device_count(), kMostDevices - 1);
  for (int ordinal = 0; ordinal < count; ++ordinal)
    all.entries.push_back({"cuda:" + std::to_string(ordinal), library->refusal(ordinal)});
  return {};
}

Backend& open_device(size_t number) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  const DeviceEntry& entry = all.entries.at(number);
  if (!entry.refusal.empty()) throw std::runtime_error(entry.refusal);
  if (Backend* backend = all.backends[number]) return *backend;
  size_t memory_limit = 0;
  auto device = all.cuda->open_device(static_cast<int>(number) - 1, memory_limit);
  auto* backend = new Backend(*all.cuda->kernels, std::move(device), memory_limit);
  all.backends[number] = backend;
  return *backend;
}

Backend* find_device(size_t number) {
  return number < kMostDevices ? registry().backends[number].load() : nullptr;
}

void leave_devices(Owner& owner) {
  for (auto& backend : registry().backends)
    if (Backend* opened = backend) opened->stream().leave(owner);
}

void end_devices() {
  for (auto& backend : registry().backends)
    if (Backend* opened = backend) opened->stream().end();
}

}  // namespace transfusion
