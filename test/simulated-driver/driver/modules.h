// Images of kernels: libraries, which are of no context, and modules, which are of one.
#pragma once

#include "driver/call.h"
#include "ptx/module.h"

namespace simulated {

struct Image;

struct Kernel : Handle {
  Kernel(Context* context, Image* image, const Function* function)
      : Handle(context), image(image), function(function) {}
  // Dynamic shared memory that a launch on the device may ask for.
  size_t dynamic_shared_limit(const Device& device) const;

  Image* const image;
  const Function* const function;
  std::map<const Device*, size_t> dynamic_shared;         // where it was set by an attribute
  std::map<Context*, std::shared_ptr<Handle>> functions;  // cuKernelGetFunction
};

// A kernel in a context.
struct ContextFunction : Handle {
  ContextFunction(Context* context, Kernel* kernel) : Handle(context), kernel(kernel) {}
  Kernel* const kernel;
};

struct Image : Handle {
  Image(Context* context, std::shared_ptr<const Module> module)
      : Handle(context), module(std::move(module)) {}
  const std::vector<u64>& globals_on(Device& device);

  const std::shared_ptr<const Module> module;
  std::map<std::string, std::shared_ptr<Kernel>> kernels;
  std::map<Device*, std::vector<u64>> globals;  // addresses of the module's variables
};

// Of a CUfunction or, as calls take it since CUDA 12, a CUkernel. Refuses those of another context.
Kernel& kernel_of(CUfunction function, const Context& context);

}  // namespace simulated
