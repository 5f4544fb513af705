// Cosines and sines of angles that need double's precision, in f32.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

struct CosSin {
  float cosine, sine;
};

// Of the angle 2 pi turns, which is reduced to one turn in double: at position 1e5 an angle in f32 is off by
// up to 4e-3.
__device__ __forceinline__ CosSin cos_sin_of_turns(double turns) {
  CosSin result;
  sincospif(static_cast<float>(2 * (turns - rint(turns))), &result.sine, &result.cosine);
  return result;
}

inline constexpr double kTwoPi = 6.283185307179586;

}  // namespace transfusion::cuda
