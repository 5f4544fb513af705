// Kernels out of the images of this library: machine code where some fits the device, else PTX, which the
// driver compiles.
#pragma once

#include "host/driver.h"
#include "host/launch.h"

namespace transfusion::cuda {

// A kernel for devices of this compute capability (80, 86 ..). Its image is loaded at the first call, once
// for all devices. Any thread. Throws a std::runtime_error.
CUkernel find_kernel(const KernelName& kernel, int compute_capability);

// "machine code for 8.0" or "PTX": what such devices run.
std::string image_kind(int compute_capability);

// Of all images: tells builds whose kernels differ apart.
std::string image_hash();

}  // namespace transfusion::cuda
