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
  float m;  // in units of the scores
  float l;  // of this lane's columns alone, until `finish`

  // Not as initializers of the members: nvcc 13.5 gives these to the first row of an array [2][2] alone.
  __device__ __forceinline__ OnlineSoftmax() : m(-INFINITY), l(0) {}

  // Scores become p = 2^(exponent (score - m)). Returns what sums under the old maximum are to be multiplied
  // with.
  template <int kTiles>
  __device__ __forceinline__ float update(float (&scores)[kTiles][4], int half, float exponent) {
    float next = m;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) next = fmaxf(next, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
    next = max_of_quad(next);
    // A row that has not seen any key yet keeps m = -infinity; its differences must not become NaN.
    const float base = next == -INFINITY ? 0 : __fmul_rn(next, exponent);
    // Exactly 1 where m stays: tiles of which a row sees nothing change no bit.
    const float rescale = fast_exp2(__fmul_rn(m, exponent) - base);
    m = next;
    l *= rescale;
#pragma unroll
    for (int j = 0; j < kTiles; ++j)
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[j][i] = fast_exp2(fmaf(scores[j][i], exponent, -base));
        l += scores[j][i];
      }
    return rescale;
  }

  __device__ __forceinline__ void finish() { l = sum_of_quad(l); }

  // After `finish`, joins what came of earlier keys, which may be none. Sums become x times those of earlier
  // keys, plus y times these.
  __device__ __forceinline__ float2 join(const OnlineSoftmax& earlier, float exponent) {
    const float most = fmaxf(earlier.m, m), base = most == -INFINITY ? 0 : __fmul_rn(most, exponent);
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

  // log of the sum of exp(scale score)
  __device__ __forceinline__ float lse(float exponent) const {
    return m * exponent * 0.6931471805599453f + logf(l);
  }
};

}  // namespace transfusion::cuda
