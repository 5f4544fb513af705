// What both passes of attention_backward compute of a pair of a row and a key.
#pragma once

#include "device/instructions.cuh"

namespace transfusion::cuda {

// p and ds are rounded to bf16 for the products of the gradients. Of a tile in which a key has more than this
// share of a row, what that loses is multiplied too: where few terms make up a sum, rounding them costs it
// more than its own rounding does; of many, errors average out. (FlashAttention rounds all of them.)
inline constexpr float kMostRounded = 1.0f / 4;

// What rounding to bf16 loses of a warp's elements.
template <int kCount, int kTiles>
__device__ __forceinline__ void keep_lost_by_rounding(float (&values)[kCount][kTiles][4]) {
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int j = 0; j < kTiles; ++j)
#pragma unroll
      for (int i = 0; i < 4; i += 2) {
        const uint32_t rounded = pack_bf16(values[m][j][i], values[m][j][i + 1]);
        values[m][j][i] -= __uint_as_float(rounded << 16);
        values[m][j][i + 1] -= __uint_as_float(rounded & 0xffff0000);
      }
}

// Whether a lane's elements of p are to be multiplied with all of their digits.
template <int kCount, int kTiles>
__device__ __forceinline__ bool has_large(const float (&p)[kCount][kTiles][4]) {
  float most = 0;
#pragma unroll
  for (int m = 0; m < kCount; ++m)
#pragma unroll
    for (int j = 0; j < kTiles; ++j)
#pragma unroll
      for (int i = 0; i < 4; ++i) most = fmaxf(most, p[m][j][i]);
  return most > kMostRounded;
}

// Scores become p, dp becomes ds. `lse` is in units of log 2.
__device__ __forceinline__ void differentiate(float& p, float& ds, float exponent, float lse, float delta) {
  p = fast_exp2(fmaf(p, exponent, -lse));
  ds = p * (ds - delta);
}

}  // namespace transfusion::cuda
