#include "host/modules.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "host/images.h"

namespace transfusion::cuda {
namespace {

bool wants_ptx() {
  const char* images = std::getenv("TRANSFUSION_CUDA_IMAGES");
  return images && std::strcmp(images, "PTX") == 0;
}

// Once a driver has refused machine code, none is offered to it.
std::atomic<bool> takes_machine_code = !wants_ptx();

// Machine code runs on its own architecture and on later ones of the same generation: 80 on 86.
bool fits(const Image& image, int compute_capability) {
  if (image.architecture == 0) return true;
  return takes_machine_code && image.architecture / 10 == compute_capability / 10 &&
         image.architecture <= compute_capability;
}

// Of the images of a .cu file the one that is nearest to the device.
const Image* choose_image(const char* name, int compute_capability) {
  const Image* best = nullptr;
  for (int i = 0; i < image_count; ++i) {
    const Image& image = images[i];
    if (std::strcmp(image.name, name) == 0 && fits(image, compute_capability) &&
        (!best || image.architecture > best->architecture))
      best = &image;
  }
  if (!best) throw std::runtime_error(std::string("this build has no kernels of ") + name);
  return best;
}

CUlibrary load(const Image& image) {
  std::array<char, 1024> log{};
  std::array<CUjit_option, 2> options{CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  std::array<void*, 2> values{log.data(), reinterpret_cast<void*>(log.size())};
  CUlibrary library = nullptr;
  const CUresult result = driver().LibraryLoadData(&library, image.begin, options.data(), values.data(),
                                                   options.size(), nullptr, nullptr, 0);
  if (result == CUDA_SUCCESS) return library;
  const DriverError error(result, "cuLibraryLoadData");
  if (image.architecture == 0 && log[0] != 0)
    throw std::runtime_error(std::string(error.what()) + ": " + log.data());
  throw error;
}

// The caller holds the lock of find_kernel.
CUlibrary library_of(const char* name, int compute_capability) {
  static auto& loaded = *new std::map<const Image*, CUlibrary>;
  const Image* image = choose_image(name, compute_capability);
  CUlibrary& library = loaded[image];
  if (library) return library;
  try {
    return library = load(*image);
  } catch (const DriverError& error) {
    if (image->architecture == 0 || error.result != CUDA_ERROR_NO_BINARY_FOR_GPU) throw;
    takes_machine_code = false;
    return library_of(name, compute_capability);
  }
}

}  // namespace

CUkernel find_kernel(const KernelName& kernel, int compute_capability) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  CUkernel found = nullptr;
  TRANSFUSION_CHECK_DRIVER(LibraryGetKernel, &found, library_of(kernel.image, compute_capability),
                           kernel.name);
  if (!driver().KernelGetParamInfo) return found;
  // Both halves of the .cu file were compiled from one struct: they disagree only where compilers do.
  size_t offset = 0, bytes = 0;
  TRANSFUSION_CHECK_DRIVER(KernelGetParamInfo, found, 0, &offset, &bytes);
  if (bytes != kernel.argument_bytes)
    throw std::runtime_error(std::string(kernel.name) + " takes " + std::to_string(bytes) +
                             " bytes of arguments, the host has " + std::to_string(kernel.argument_bytes));
  return found;
}

std::string image_kind(int compute_capability) {
  if (image_count == 0) return "none";
  const int architecture = choose_image(images[0].name, compute_capability)->architecture;
  if (architecture == 0) return "PTX";
  return "machine code for " + std::to_string(architecture / 10) + "." + std::to_string(architecture % 10);
}

std::string image_hash() {
  static const u64 hash = [] {
    u64 hash = 0xcbf29ce484222325ull;  // FNV-1a
    for (int i = 0; i < image_count; ++i)
      for (const char* byte = images[i].begin; byte != images[i].end; ++byte)
        hash = (hash ^ static_cast<unsigned char>(*byte)) * 0x100000001b3ull;
    return hash;
  }();
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace transfusion::cuda
