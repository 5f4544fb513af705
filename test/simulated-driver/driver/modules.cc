#include "driver/modules.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "driver/entry_points.h"
#include "driver/limits.h"

namespace simulated {

const std::vector<u64>& Image::globals_on(Device& device) {
  const auto [entry, is_new] = globals.try_emplace(&device);
  if (is_new) {
    for (const Variable& variable : module->globals) {
      const u64 address = GlobalMemory::reserve(variable.bytes, MemoryKind::device);
      driver().addresses.add(
          {.base = address, .bytes = variable.bytes, .kind = HandedOut::Kind::global, .device = &device});
      device.memory.before_work([&variable, address, module = module](GlobalMemory& memory) {
        memory.add(address, variable.bytes, MemoryKind::device);
        std::memset(GlobalMemory::host(address), 0, variable.bytes);
        if (!variable.value.empty())
          std::memcpy(GlobalMemory::host(address), variable.value.data(), variable.value.size());
        memory.mark_written(address, variable.bytes);
      });
      entry->second.push_back(address);
    }
  }
  return entry->second;
}

namespace {

// What a driver of the version compiles: PTX 8.0 since 12.0.
int newest_ptx(int version) {
  constexpr int kOf12[] = {80, 81, 82, 83, 84, 85, 85, 86, 87, 88};
  const int major = version / 1000, minor = version % 1000 / 10;
  if (major == 12) return kOf12[std::min(minor, 9)];
  return (major < 12 ? 70 : 90) + minor;
}

// After a directive of the PTX's head: 80 of ".version 8.0" and of ".target sm_80".
int number_after(std::string_view ptx, std::string_view directive) {
  const size_t begin = ptx.find(directive);
  if (begin == ptx.npos) return 0;
  int number = 0;
  bool seen = false;
  for (const char c : ptx.substr(begin + directive.size(), 12)) {
    if (c >= '0' && c <= '9')
      number = number * 10 + (c - '0'), seen = true;
    else if (seen && c != '.')
      break;
  }
  return number;
}

struct JitOptions {
  const CUjit_option* names;
  void** values;
  unsigned count;

  void log(const std::string& what) const {
    char* buffer = nullptr;
    size_t size = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (names[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
      if (names[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = reinterpret_cast<uintptr_t>(values[i]);
    }
    if (!buffer || !size) return;
    const size_t length = std::min(size - 1, what.size());
    std::memcpy(buffer, what.data(), length);
    buffer[length] = 0;
  }
};

// Without the lock: it takes long.
std::shared_ptr<const Module> compile(const void* image, const JitOptions& options) {
  expect_pointer(image, "image");
  const char* text = static_cast<const char*>(image);
  constexpr char kElf[] = {0x7f, 'E', 'L', 'F'},
                 kFatbin[] = {0x50, static_cast<char>(0xed), 0x55, static_cast<char>(0xba)};
  // Machine code: the answer of a GPU for which it is not. Programs then take the PTX.
  if (!std::memcmp(text, kElf, 4) || !std::memcmp(text, kFatbin, 4)) refuse(CUDA_ERROR_NO_BINARY_FOR_GPU);
  const std::string_view ptx(text);
  const int version = number_after(ptx, ".version "), newest = newest_ptx(settings().version);
  const auto fail = [&](CUresult code, const std::string& what) {
    options.log("ptxas: " + what);
    refuse(code, "%s", what.c_str());
  };
  if (version > newest)
    fail(CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
         "the PTX is of version " + std::to_string(version / 10) + "." + std::to_string(version % 10) +
             ", a driver of CUDA " + std::to_string(settings().version / 1000) + "." +
             std::to_string(settings().version % 1000 / 10) + " compiles up to " +
             std::to_string(newest / 10) + "." + std::to_string(newest % 10));
  // A library is for all devices.
  const int most = std::ranges::max(settings().compute);
  if (const int target = number_after(ptx, ".target sm_"); target > most)
    fail(CUDA_ERROR_INVALID_PTX,
         "the PTX is for sm_" + std::to_string(target) + ", the device is sm_" + std::to_string(most));
  try {
    return parse(ptx);
  } catch (const PtxError& error) {
    fail(CUDA_ERROR_INVALID_PTX, error.what());
  }
  return nullptr;
}

Image& image_of(CUmodule module) { return *get<Image>(module, "module"); }
Image& image_of(CUlibrary library) { return *get<Image>(library, "library"); }

Kernel& find_kernel(Image& image, const char* name) {
  expect_pointer(name, "name");
  auto& kernel = image.kernels[name];
  if (!kernel) {
    const Function* const function = image.module->find(name);
    if (!function) {
      image.kernels.erase(name);
      refuse(CUDA_ERROR_NOT_FOUND, "there is no kernel %s", name);
    }
    kernel = std::make_shared<Kernel>(image.context, &image, function);
    keep(kernel);
  }
  return *kernel;
}

void unload(Image& image) {
  for (const auto& [name, kernel] : image.kernels) {
    for (const auto& [context, function] : kernel->functions) drop(function.get());
    drop(kernel.get());
  }
  for (const auto& [device, addresses] : image.globals)
    for (const u64 address : addresses) {
      device->memory.remove_before_work(address);
      driver().addresses.find(address)->freed = true;
    }
  drop(&image);
}

CUresult load_library(CUlibrary* library, const void* code, CUjit_option* options, void** values,
                      unsigned count, CUlibraryOption*, void**, unsigned) {
  return call("cuLibraryLoadData", [&](Lock& lock) {
    expect_pointer(library, "library");
    lock.unlock();
    auto module = compile(code, {options, values, count});
    lock.lock();
    *library = to_api<CUlibrary>(keep(std::make_shared<Image>(nullptr, std::move(module))));
  });
}

CUresult get_kernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return call("cuLibraryGetKernel", [&](Lock&) {
    expect_pointer(kernel, "pKernel");
    *kernel = to_api<CUkernel>(&find_kernel(image_of(library), name));
  });
}

CUresult unload_library(CUlibrary library) {
  return call("cuLibraryUnload", [&](Lock& lock) {
    Image& image = image_of(library);
    for (const auto& device : driver().devices)
      if (device->context.retained) finish(device->context, lock);
    unload(image);
  });
}

CUresult load_module_as(const char* name, CUmodule* module, const void* image, const JitOptions& options) {
  return call_in_context(name, [&](Context& context, Lock& lock) {
    expect_pointer(module, "module");
    lock.unlock();
    auto compiled = compile(image, options);
    lock.lock();
    *module = to_api<CUmodule>(keep(std::make_shared<Image>(&context, std::move(compiled))));
  });
}

CUresult load_module(CUmodule* module, const void* image) {
  return load_module_as("cuModuleLoadData", module, image, {nullptr, nullptr, 0});
}

CUresult load_module_with(CUmodule* module, const void* image, unsigned count, CUjit_option* options,
                          void** values) {
  return load_module_as("cuModuleLoadDataEx", module, image, {options, values, count});
}

CUresult unload_module(CUmodule module) {
  return call_in_context("cuModuleUnload", [&](Context& context, Lock& lock) {
    finish(context, lock);
    unload(image_of(module));
  });
}

CUresult get_function(CUfunction* function, CUmodule module, const char* name) {
  return call_in_context("cuModuleGetFunction", [&](Context&, Lock&) {
    expect_pointer(function, "hfunc");
    *function = to_api<CUfunction>(&find_kernel(image_of(module), name));
  });
}

void find_global(CUdeviceptr* address, size_t* bytes, Image& image, Device& device, const char* name) {
  const auto& variables = image.module->globals;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (variables[i].name != name) continue;
    if (address) *address = image.globals_on(device)[i];
    if (bytes) *bytes = variables[i].bytes;
    return;
  }
  refuse(CUDA_ERROR_NOT_FOUND, "there is no variable %s", name);
}

CUresult get_module_global(CUdeviceptr* address, size_t* bytes, CUmodule module, const char* name) {
  return call_in_context("cuModuleGetGlobal", [&](Context& context, Lock&) {
    find_global(address, bytes, image_of(module), context.device, name);
  });
}

CUresult get_library_global(CUdeviceptr* address, size_t* bytes, CUlibrary library, const char* name) {
  return call_in_context("cuLibraryGetGlobal", [&](Context& context, Lock&) {
    find_global(address, bytes, image_of(library), context.device, name);
  });
}

}  // namespace

EntryPoints module_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuLibraryLoadData, 12000, load_library),        ENTRY(cuLibraryGetKernel, 12000, get_kernel),
      ENTRY(cuLibraryGetGlobal, 12000, get_library_global), ENTRY(cuLibraryUnload, 12000, unload_library),
      ENTRY(cuModuleLoadData, 2000, load_module),           ENTRY(cuModuleLoadDataEx, 2010, load_module_with),
      ENTRY(cuModuleUnload, 2000, unload_module),           ENTRY(cuModuleGetFunction, 2000, get_function),
      ENTRY(cuModuleGetGlobal, 3020, get_module_global),
  };
  return entries;
}

}  // namespace simulated
