// How a kernel says that what it was given is wrong. It goes on with something harmless: NaN for what it
// should have computed, -1 for ids, so that optimizers, which leave all as it is when a gradient is not
// finite, do.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

// Element `index` of argument number `argument` (as the host half counts them, below 15) has the value
// `value`.
__device__ __forceinline__ void report_failure(Failures failures, int argument, i64 index, i32 value) {
  const u64 report = static_cast<u64>(argument) << 60 | static_cast<u64>(index & 0xfffffff) << 32 |
                     static_cast<u64>(static_cast<uint32_t>(value));
  atomicMin(reinterpret_cast<unsigned long long*>(&failures.record->first), report);
}

// Whether an index is -1 (none) or in 0..count-1; reports it where it is neither.
__device__ __forceinline__ bool check_index(Failures failures, i64 index, i32 value, i64 count) {
  if (value >= -1 && value < count) return true;
  report_failure(failures, 0, index, value);
  return false;
}

}  // namespace transfusion::cuda
