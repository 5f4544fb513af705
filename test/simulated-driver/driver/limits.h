// Of an A100, which has compute capability 8.0: the tables of the CUDA programming guide.
#pragma once

#include "ptx/types.h"

namespace simulated {

constexpr u32 kMaxThreadsPerBlock = 1024;
constexpr Dimensions kMaxBlock{1024, 1024, 64};
constexpr Dimensions kMaxGrid{0x7fffffff, 65535, 65535};
constexpr int kThreadsPerMultiprocessor = 2048, kBlocksPerMultiprocessor = 32;

// Bytes of shared memory: what a block may have at once, what it may ask for, what a multiprocessor has, what
// the driver keeps of it for each block.
constexpr u32 kSharedPerBlock = 48 << 10, kSharedPerBlockOptIn = 163 << 10;
constexpr u32 kSharedPerMultiprocessor = 164 << 10, kSharedReserved = 1 << 10;

constexpr size_t kParameterBytes = 4096;

}  // namespace simulated
