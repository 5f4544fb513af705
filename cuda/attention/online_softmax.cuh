// The softmax of a row whose scores come tile by tile: a running maximum and sum.
#pragma once

#include "device/instructions.cuh"

namespace transfusion::cuda {

// Over the four lanes that hold a row of a product of tensor cores.
__device__ __forceinline__ float max_of_quad(float value) {
  value = fmaxf(value, __shfl_xor_sync(~0u, value, 1));
  return fmaxf(value, __shfl_xor_sync(~0u, value, 2));
}
__device__ __forceinline__ float sum_of_quad(float value) {
  value += __shfl_xor_sync(~0u, value, 1);
  return value + __shfl_xor_sync(~0u, value, 2);
}

// Of one of the two rows of a tile of products of which a lane holds elements [j][2 half], [j][2 half + 1].
struct OnlineSoftmax {
  // Powers of two that p may reach: m follows the greatest score from so far behind, so that sums, which
  // follow m, hardly ever have to be rescaled (as in FlashAttention-4). p has as many digits wherever it
  // lies.
  static constexpr float kSlack = 8;

  float m;  // the score whose p is 1
  float l;  // of this lane's columns alone, until `finish`

  // Not as initializers of the members: nvcc 13.5 gives these to the first row of an array [2][2] alone.
  __device__ __forceinline__ OnlineSoftmax() : m(-INFINITY), l(0) {}

  // What m is to be for these scores, too.
  template <int kTiles>
  __device__ __forceinline__ float next(const float (&scores)[kTiles][4], int half, float exponent) const {
    float most = m;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) most = fmaxf(most, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
    most = max_of_quad(most);
    return (most - m) * exponent > kSlack ? most : m;
  }

  // Returns what sums are to be multiplied with: exactly 1 where m stays.
  __device__ __forceinline__ float move(float next, float exponent) {
    const float factor = fast_exp2(__fmul_rn(m, exponent) - base_of(next, exponent));
    m = next;
    l *= factor;
    return factor;
  }

  // Scores become p = 2^(exponent (score - m)).
  template <int kTiles>
  __device__ __forceinline__ void add(float (&scores)[kTiles][4], int half, float exponent) {
    const float base = base_of(m, exponent);
#pragma unroll
    for (int j = 0; j < kTiles; ++j)
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[j][i] = fast_exp2(fmaf(scores[j][i], exponent, -base));
        l += scores[j][i];
      }
  }

  __device__ __forceinline__ void finish() { l = sum_of_quad(l); }

  // After `finish`, joins what came of earlier keys, which may be none. Sums become x times those of earlier
  // keys, plus y times these.
  __device__ __forceinline__ float2 join(const OnlineSoftmax& earlier, float exponent) {
    const float most = fmaxf(earlier.m, m), base = base_of(most, exponent);
    // Exactly 0 and 1 where one has seen no key.
    const float2 factors = {fast_exp2(__fmul_rn(earlier.m, exponent) - base),
                            fast_exp2(__fmul_rn(m, exponent) - base)};
    m = most;
    l = join(earlier.l, l, factors);
    return factors;
  }
  static __device__ __forceinline__ float join(float earlier, float sum, float2 factors) {
    return fmaf(earlier, factors.x, __fmul_rn(sum, factors.y));
  }

  // A row that has not seen any key yet keeps m = -infinity; its differences must not become NaN.
  static __device__ __forceinline__ float base_of(float m, float exponent) {
    return m == -INFINITY ? 0 : __fmul_rn(m, exponent);
  }

  // log of the sum of exp(scale score)
  __device__ __forceinline__ float lse(float exponent) const {
    return m * exponent * 0.6931471805599453f + logf(l);
  }
};

// Takes a tile of scores of the rows that a warp's lanes hold: they become p, and sums follow.
template <int kCount, int kTiles, int kSumTiles>
__device__ __forceinline__ void add_scores(OnlineSoftmax (&rows)[kCount][2],
                                           float (&scores)[kCount][kTiles][4],
                                           float (&sums)[kCount][kSumTiles][4], float exponent) {
  float next[kCount][2];
  bool moves = false;
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      next[m][half] = rows[m][half].next(scores[m], half, exponent);
      moves |= next[m][half] != rows[m][half].m;
    }
  if (__any_sync(~0u, moves)) {
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float factor = rows[m][half].move(next[m][half], exponent);
#pragma unroll
        for (int j = 0; j < kSumTiles; ++j)
          sums[m][j][2 * half] *= factor, sums[m][j][2 * half + 1] *= factor;
      }
  }
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) rows[m][half].add(scores[m], half, exponent);
}

}  // namespace transfusion::cuda
