// The weights of a row of tokens, in (0, 1] or 0 where a token is excluded, and the tokens at which running
// sums over them pass a target: by ids, or by ranks, the largest weight first. Weights are summed as whole
// numbers, whose sums do not depend on their order. A block works on a row.
#pragma once

#include "device/elements.cuh"
#include "device/reduce.cuh"

namespace transfusion::cuda {

// Where a running sum over the ranks passes its target: among the tokens of the weight of this key.
struct RankedKey {
  uint32_t key;
  u64 before;  // the sum of all larger weights
};

template <int kThreads>
class TokenWeights {
  static constexpr int kRun = 4, kWarps = kThreads / kWarp, kStep = kWarp * kRun;
  // Keys have 30 bits, which a few rounds find by as many bits as tell the threads apart.
  static constexpr int kKeyBits = 30, kDigitBits = kThreads == 32 ? 5 : 10;
  static_assert(1 << kDigitBits == kThreads && kKeyBits % kDigitBits == 0);

 public:
  struct Shared {
    uint32_t low[kThreads], high[kThreads];
    RankedKey found;
  };

  // weights [stride], in shared or global memory, not set yet; a multiple of 16 bytes for each thread. Their
  // sum as whole numbers is below 2^62.
  __device__ __forceinline__ TokenWeights(Shared& shared, float* weights, i64 stride)
      : shared_(shared), weights_(weights), part_(static_cast<int>(stride / kWarps)) {
    scale_ = __int_as_float((__clzll(stride) - 2 + 127) << 23);
  }

  // body(id, run) for runs of tokens: each warp has a part of the row, each run is always the same thread's.
  template <class Body>
  __device__ __forceinline__ void for_each(const Body& body) const {
    const int begin = static_cast<int>(threadIdx.x / kWarp) * part_;
    for (int offset = static_cast<int>(threadIdx.x % kWarp) * kRun; offset < part_; offset += kStep)
      body(begin + offset, weights_ + begin + offset);
  }
  static __device__ __forceinline__ void load(float (&values)[kRun], const float* run) {
    const float4 all = *reinterpret_cast<const float4*>(run);
    values[0] = all.x, values[1] = all.y, values[2] = all.z, values[3] = all.w;
  }
  static __device__ __forceinline__ void store(float* run, const float (&values)[kRun]) {
    *reinterpret_cast<float4*>(run) = make_float4(values[0], values[1], values[2], values[3]);
  }

  __device__ __forceinline__ u64 amount(float weight) const { return __float2ull_rn(weight * scale_); }
  // The larger the weight, the smaller.
  static __device__ __forceinline__ uint32_t key(float weight) {
    return __float_as_uint(1.0f) - __float_as_uint(weight);
  }
  static __device__ __forceinline__ float weight(uint32_t key) {
    return __uint_as_float(__float_as_uint(1.0f) - key);
  }

  // The sum of amount_of(weight) over all tokens that have a weight.
  template <class AmountOf>
  __device__ __forceinline__ u64 sum(const AmountOf& amount_of) const {
    return reduce_block<kThreads>(thread_sum(amount_of), Sum());
  }

  // Calls found(id), on one thread, with the first id at which the running sum of amount_of(weight) over the
  // ids passes `target`, which the whole sum does.
  template <class AmountOf, class Found>
  __device__ __forceinline__ void find_in_order(u64 target, const AmountOf& amount_of,
                                                const Found& found) const {
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const u64 of_thread = thread_sum(amount_of);
    // The sums of the warps' parts one after the other, and of this warp's lanes.
    const Scan<u64> of_lanes = {scan_warp(of_thread) - of_thread, reduce_warp(of_thread, Sum())};
    const u64 of_warp = lane == 0 ? of_lanes.total : 0;
    u64 running = __shfl_sync(~0u, scan_block<kThreads>(of_warp).before, 0);
    if (target < running || running + of_lanes.total <= target) return;
    for (int offset = 0; offset < part_; offset += kStep) {
      const int first = warp * part_ + offset + lane * kRun;
      float values[kRun];
      load(values, weights_ + first);
      u64 amounts = 0;
      for (const float value : values) amounts += value == 0 ? 0 : amount_of(value);
      const u64 sums = scan_warp(amounts);
      if (running + sums - amounts <= target && target < running + sums) {
        u64 before = running + sums - amounts;
        int id = first - 1;
        for (const float value : values) {
          if (before > target) break;
          before += value == 0 ? 0 : amount_of(value);
          ++id;
        }
        found(id);
      }
      running += __shfl_sync(~0u, sums, kWarp - 1);
      if (target < running) return;
    }
  }

  // Where the running sum of amount_of(weight) over the ranks passes `target`, which the whole sum does: for
  // every thread. A radix select: in each round the threads add up what they have for each value of the next
  // digit of the key.
  template <class AmountOf>
  __device__ __forceinline__ RankedKey find_in_rank(u64 target, const AmountOf& amount_of) const {
    uint32_t &low = shared_.low[threadIdx.x], &high = shared_.high[threadIdx.x];
    RankedKey found = {};
    for (int shift = kKeyBits - kDigitBits; shift >= 0; shift -= kDigitBits) {
      low = high = 0;
      __syncthreads();
      for_each([&](int, const float* run) {
        float values[kRun];
        load(values, run);
        for (const float value : values) {
          const uint32_t digits = key(value) >> shift;
          if (value != 0 && digits >> kDigitBits == found.key) add(digits % kThreads, amount_of(value));
        }
      });
      __syncthreads();
      const u64 of_digit = static_cast<u64>(high) << 32 | low;
      const u64 before = found.before + scan_block<kThreads>(of_digit).before;
      if (before <= target && target < before + of_digit)
        shared_.found = {found.key << kDigitBits | static_cast<uint32_t>(threadIdx.x), before};
      __syncthreads();
      found = shared_.found;
    }
    return found;
  }

 private:
  template <class AmountOf>
  __device__ __forceinline__ u64 thread_sum(const AmountOf& amount_of) const {
    u64 sum = 0;
    for_each([&](int, const float* run) {
      float values[kRun];
      load(values, run);
      for (const float value : values) sum += value == 0 ? 0 : amount_of(value);
    });
    return sum;
  }

  // Two halves, because shared memory adds 32 bits at a time.
  __device__ __forceinline__ void add(uint32_t digit, u64 amount) const {
    const uint32_t low = static_cast<uint32_t>(amount);
    const bool carry = low > ~atomicAdd(&shared_.low[digit], low);
    const uint32_t high = static_cast<uint32_t>(amount >> 32) + carry;
    if (high > 0) atomicAdd(&shared_.high[digit], high);
  }

  Shared& shared_;
  float* weights_;
  int part_;
  float scale_;
};

}  // namespace transfusion::cuda
