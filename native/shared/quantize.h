// How values become blocks, on every device: ggml's reference rounding (ggml-quants.c, quantize_row_*_ref),
// so that bytes equal its own; int8 is symmetric, scale = max |w| / 127, rounded to nearest even. What is not
// finite makes its block, or row of int8, NaN.
#pragma once

#include <cfloat>
#include <cmath>

#include "shared/blocks.h"

namespace transfusion {

// 1 / scale; 0 where that is no number: the values then are 0.
TRANSFUSION_HOST_DEVICE inline f32 reciprocal_of_scale(f32 scale) {
  return fabsf(scale) >= FLT_MIN ? 1 / scale : 0;
}
TRANSFUSION_HOST_DEVICE inline bool is_finite(f32 value) {
  return (bits_of_float(value) & 0x7f800000) != 0x7f800000;
}

// A block of 32 values x(i).
template <class X>
TRANSFUSION_HOST_DEVICE void quantize_block(Q8_0Blocks, uint8_t* block, const X& x) {
  f32 largest = 0;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    largest = fmaxf(largest, fabsf(x(i)));
    finite = finite && is_finite(x(i));
  }
  const f32 scale = finite ? largest / 127 : NAN, factor = reciprocal_of_scale(scale);
  store_half(scale, block);
  for (int i = 0; i < 32; ++i)
    block[2 + i] = static_cast<uint8_t>(finite ? static_cast<int>(roundf(x(i) * factor)) : 0);
}

template <class X>
TRANSFUSION_HOST_DEVICE void quantize_block(Q4_0Blocks, uint8_t* block, const X& x) {
  f32 largest = 0, extreme = 0;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    if (fabsf(x(i)) > largest) {
      largest = fabsf(x(i));
      extreme = x(i);
    }
    finite = finite && is_finite(x(i));
  }
  const f32 scale = finite ? extreme / -8 : NAN, factor = reciprocal_of_scale(scale);
  store_half(scale, block);
  // Rounded once, as a fused multiply-add does.
  const auto quantized = [&](int i) {
    const int value = finite ? static_cast<int>(static_cast<double>(x(i)) * factor + 8.5) : 8;
    return static_cast<uint8_t>(value < 15 ? value : 15);
  };
  for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<uint8_t>(quantized(i) | quantized(i + 16) << 4);
}

template <class X>
TRANSFUSION_HOST_DEVICE void quantize_block(Q4_1Blocks, uint8_t* block, const X& x) {
  f32 least = FLT_MAX, largest = -FLT_MAX;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    least = fminf(least, x(i));
    largest = fmaxf(largest, x(i));
    finite = finite && is_finite(x(i));
  }
  const f32 scale = finite ? (largest - least) / 15 : NAN;
  const f32 factor = is_finite(scale) ? reciprocal_of_scale(scale) : 0;
  store_half(scale, block);
  store_half(finite ? least : NAN, block + 2);
  // The sum apart from the product: nowhere fused.
  const auto quantized = [&](int i) {
#ifdef __CUDA_ARCH__
    const f32 place = __fadd_rn(__fmul_rn(x(i) - least, factor), 0.5f);
#else
    const f32 place = (x(i) - least) * factor + 0.5f;
#endif
    const int value = finite ? static_cast<int>(place) : 0;
    return static_cast<uint8_t>(value < 15 ? value : 15);
  };
  for (int i = 0; i < 16; ++i) block[4 + i] = static_cast<uint8_t>(quantized(i) | quantized(i + 16) << 4);
}

// A group of activations in a quantised product, or a row of int8 weights.
struct Int8Scale {
  f32 scale, factor;

  // Of values whose largest magnitude has these bits; the bits of what is not finite are the largest.
  static TRANSFUSION_HOST_DEVICE Int8Scale of(uint32_t largest_bits) {
    if (largest_bits >= 0x7f800000) return {NAN, 0};
    const f32 scale = float_of_bits(largest_bits) / 127;
    return scale >= FLT_MIN ? Int8Scale{scale, 1 / scale} : Int8Scale{0, 0};
  }
  // Of a NaN's or an infinity's group all are 0, as its scale says what they are.
  TRANSFUSION_HOST_DEVICE int quantize(f32 value) const {
    return factor == 0 ? 0 : static_cast<int>(rintf(value * factor));
  }
};

TRANSFUSION_HOST_DEVICE inline uint32_t magnitude_bits(f32 value) {
  return bits_of_float(value) & 0x7fffffff;
}

}  // namespace transfusion
