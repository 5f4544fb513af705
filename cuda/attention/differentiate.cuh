// What both passes of attention_backward compute of a pair of a row and a key.
#pragma once

#include "device/instructions.cuh"

namespace transfusion::cuda {

// Scores become p, dp becomes ds. `lse` is in units of log 2.
__device__ __forceinline__ void differentiate(float& p, float& ds, float exponent, float lse, float delta) {
  p = fast_exp2(fmaf(p, exponent, -lse));
  ds = p * (ds - delta);
}

}  // namespace transfusion::cuda
