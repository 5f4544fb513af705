// Uniform and normal numbers from the words of Philox (shared/philox.h): the functions of cpu/simd/random.h,
// in the same order of operations.
#pragma once

#include <numbers>

#include "kernel.h"
#include "shared/philox.h"

namespace transfusion::cuda {

// Uniform in (0, 1]: 31 bits, rounded to f32, never 0.
__device__ __forceinline__ float uniform_of(uint32_t word) {
  return fmaf(__uint2float_rn(word >> 1), 0x1p-31f, 0x1p-32f);
}

// ln x of x in (0, 1], not denormal. x = 2^e (1 + f), f in sqrt(1/2) - 1 .. sqrt(2) - 1, and
// ln(1 + f) = f - f^2 / 2 + f^3 p(f), p fitted for the least relative error.
__device__ __forceinline__ float log_of_uniform(float x) {
  constexpr int kSqrtHalf = 0x3f3504f3;
  const int bits = __float_as_int(x) - kSqrtHalf;
  const float exponent = __int2float_rn(bits >> 23);
  const float f = __int_as_float((bits & 0x7fffff) + kSqrtHalf) - 1.0f;
  float p = -0.0797229571f;
  p = fmaf(p, f, 0.126552578f);
  p = fmaf(p, f, -0.129896335f);
  p = fmaf(p, f, 0.142100046f);
  p = fmaf(p, f, -0.166415619f);
  p = fmaf(p, f, 0.200011991f);
  p = fmaf(p, f, -0.250003042f);
  p = fmaf(p, f, 0.3333333f);
  const float square = f * f;
  return fmaf(exponent, std::numbers::ln2_v<float>, fmaf(square * f, p, fmaf(-0.5f, square, f)));
}

// cos a and sin a of a = pi word / 2^31, the word signed: the nearest quarter of a turn, and polynomials,
// fitted for the least relative error, of what is left.
__device__ __forceinline__ void cos_sin_of_word(uint32_t word, float& cosine, float& sine) {
  const uint32_t quarter = (word + (1u << 29)) >> 30;
  constexpr float kStep = static_cast<float>(std::numbers::pi * 0x1p-31);
  const float angle = __int2float_rn(static_cast<int>(word - (quarter << 30))) * kStep;
  const float square = angle * angle;
  float c = fmaf(2.43904501e-05f, square, -0.00138867638f);
  c = fmaf(c, square, 0.0416666233f);
  c = fmaf(c, square, -0.499999997f);
  c = fmaf(c, square, 1.0f);
  float s = fmaf(-0.000195172984f, square, 0.00833217814f);
  s = fmaf(s, square, -0.166666549f);
  s = fmaf(s * square, angle, angle);
  const bool is_odd = quarter & 1;
  const auto with_sign = [](float x, uint32_t quarters) {
    return __uint_as_float(__float_as_uint(x) ^ (quarters & 2) << 30);
  };
  cosine = with_sign(is_odd ? s : c, quarter + 1);
  sine = with_sign(is_odd ? c : s, quarter);
}

// Two independent standard normals from two words (Box and Muller): sqrt(-2 ln u) (cos a, sin a), u uniform,
// a uniform in -pi .. pi.
__device__ __forceinline__ void box_muller(uint32_t word0, uint32_t word1, float& normal0, float& normal1) {
  const float radius = sqrtf(-2.0f * log_of_uniform(uniform_of(word0)));
  float cosine, sine;
  cos_sin_of_word(word1, cosine, sine);
  normal0 = radius * cosine;
  normal1 = radius * sine;
}

// Elements first .. first + N - 1 of a seed's stream of standard normals; `first` is a multiple of 4.
template <int N>
__device__ __forceinline__ void normals(float (&values)[N], const Seed& seed, i64 first) {
  static_assert(N % 4 == 0);
#pragma unroll
  for (int begin = 0; begin < N; begin += 4) {
    const PhiloxBlock block = philox_block(seed, (first + begin) / 4);
    box_muller(block.words[0], block.words[1], values[begin], values[begin + 1]);
    box_muller(block.words[2], block.words[3], values[begin + 2], values[begin + 3]);
  }
}

// eps of an image, the stream of its seed; zeros where it is not wanted, or there is no image (-1).
class ImageNoise {
 public:
  __device__ __forceinline__ ImageNoise(const void* seeds, i64 image, bool wanted)
      : seed_(image < 0 ? Seed{} : Seed::of(seeds, image)), wanted_(wanted && image >= 0) {}

  // Elements first .. first + N - 1: see normals.
  template <int N>
  __device__ __forceinline__ void load(float (&eps)[N], i64 first) const {
    if (wanted_) return normals(eps, seed_, first);
#pragma unroll
    for (float& value : eps) value = 0;
  }

 private:
  Seed seed_;
  bool wanted_;
};

}  // namespace transfusion::cuda
