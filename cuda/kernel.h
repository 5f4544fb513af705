// What both halves of a .cu file share. Each file is compiled twice: by nvcc, which sees the kernels (the
// device half, where __CUDACC__ is defined) and makes PTX and machine code of them, and by the C++ compiler,
// which sees what launches them (the host half). Both see the structs that a kernel takes as its one
// parameter, so that argument lists cannot disagree.
#pragma once

#include "kernel_types.h"
#include "shared/host_device.h"

namespace transfusion::cuda {

// What a kernel found wrong in data that only the device has read, in memory of the host that the device
// writes. Of several elements the first one counts, whatever the order in which threads come to it.
struct FailureRecord {
  static constexpr u64 kNone = ~u64{0};

  u64 first = kNone;  // argument (4 bits), index (28 bits), value (32 bits): the least wins
  // The range that was asked for, where the host does not know it; only of kernels with one reporter.
  i64 low = 0, high = 0;

  bool failed() const { return first != kNone; }
  int argument() const { return static_cast<int>(first >> 60); }
  i64 index() const { return static_cast<i64>(first >> 32 & 0xfffffff); }
  i32 value() const { return static_cast<i32>(first & 0xffffffff); }
};

// For the struct of a kernel that checks what it reads; see device/failure.cuh and host/launch.h.
struct Failures {
  FailureRecord* record = nullptr;
};

}  // namespace transfusion::cuda

#ifdef __CUDACC__
// Defines a kernel, a function of `arguments`, inside namespace transfusion::cuda. extern "C": the host finds
// it by its name. After the threads of a block may come how many blocks must fit on a multiprocessor.
#define KERNEL(name, Arguments, ...) \
  extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name(const __grid_constant__ Arguments arguments)
#endif
