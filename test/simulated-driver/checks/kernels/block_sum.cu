// Sums of rows in their right form and with one thing wrong, for check_faults.cc: the line on which the
// simulator is to find it ends with the name of the kernel.
#include "block_sum.h"
#include "device/reduce.cuh"

namespace simulated {

using transfusion::cuda::reduce_warp;
using transfusion::cuda::Sum;

enum class Wrong {
  nothing,
  barrier_removed,
  meeting_removed,
  barrier_of_half_warps,
  barrier_of_some_warps,
  mask_without_callers,
  mask_of_missing,
  past_the_end,
  misaligned,
  unwritten,
  never_written_memory,
  same_target,
  lanes_disagree,
  blocks_disagree,
};

template <Wrong kWrong>
__device__ float sum_of_thread(const float* x, int count) {
  float sum = 0;
  if constexpr (kWrong == Wrong::past_the_end) {
    // past_the_end
    for (int i = threadIdx.x; i <= count; i += kThreads) sum += x[i];
  } else if constexpr (kWrong == Wrong::misaligned) {
    for (int i = threadIdx.x; i < count / 2; i += kThreads) {
      // misaligned
      const float2 pair = reinterpret_cast<const float2*>(x + 1)[i];
      sum += pair.x + pair.y;
    }
  } else {
    // never_written_memory use_after_free
    for (int i = threadIdx.x; i < count; i += kThreads) sum += x[i];
  }
  return sum;
}

template <Wrong kWrong>
__device__ void block_sum(const SumArguments& arguments) {
  __shared__ float of_warps[kThreads / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float* x = kWrong == Wrong::never_written_memory ? arguments.y : arguments.x;
  float sum = sum_of_thread<kWrong>(x + static_cast<int64_t>(blockIdx.x) * arguments.count, arguments.count);
  if constexpr (kWrong == Wrong::mask_without_callers) {
    // mask_without_callers
    sum += __shfl_xor_sync(0xffff, sum, 1);
  } else if constexpr (kWrong == Wrong::mask_of_missing) {
    // mask_of_missing
    if (lane < 16) sum += __shfl_xor_sync(~0u, sum, 1);
  } else if constexpr (kWrong == Wrong::meeting_removed) {
    __shared__ float of_threads[kThreads];
    of_threads[threadIdx.x] = sum;
    // meeting_removed
    sum += of_threads[threadIdx.x ^ 1];
  } else {
    sum = reduce_warp(sum, Sum());
  }
  if (lane == 0 && (kWrong != Wrong::unwritten || warp != 2)) of_warps[warp] = sum;
  if constexpr (kWrong == Wrong::barrier_of_half_warps) {
    // barrier_of_half_warps
    if (lane < 16) __syncthreads();
  } else if constexpr (kWrong == Wrong::barrier_of_some_warps) {
    if (warp != 1) __syncthreads();
    if (warp == 1) __syncwarp();
  } else if constexpr (kWrong != Wrong::barrier_removed) {
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    float total = 0;
    for (int i = 0; i < kThreads / 32; ++i)
      // barrier_removed unwritten barrier_of_some_warps
      total += of_warps[i];
    // blocks_disagree same_target
    arguments.y[kWrong == Wrong::blocks_disagree ? 0 : blockIdx.x] = total;
  }
  if constexpr (kWrong == Wrong::same_target) {
    // same_target
    if (lane == 0) arguments.y[blockIdx.x] = 1;
  }
  if constexpr (kWrong == Wrong::lanes_disagree) {
    // lanes_disagree
    if (warp == 0) arguments.y[blockIdx.x] = static_cast<float>(lane);
  }
  // barrier_of_half_warps
  if constexpr (kWrong != Wrong::barrier_of_some_warps) __syncthreads();
}

#define BLOCK_SUM(name)                                      \
  extern "C" __global__ void __launch_bounds__(kThreads)     \
      name(const __grid_constant__ SumArguments arguments) { \
    block_sum<Wrong::name>(arguments);                       \
  }

BLOCK_SUM(nothing)
BLOCK_SUM(barrier_removed)
BLOCK_SUM(meeting_removed)
BLOCK_SUM(barrier_of_half_warps)
BLOCK_SUM(barrier_of_some_warps)
BLOCK_SUM(mask_without_callers)
BLOCK_SUM(mask_of_missing)
BLOCK_SUM(past_the_end)
BLOCK_SUM(misaligned)
BLOCK_SUM(unwritten)
BLOCK_SUM(never_written_memory)
BLOCK_SUM(same_target)
BLOCK_SUM(lanes_disagree)
BLOCK_SUM(blocks_disagree)

}  // namespace simulated
