// Block dtypes: how a value of a row of K values is read, on every device. q8_0 to q6_k are ggml's block
// types (github.com/ggml-org/ggml, ggml-common.h) bit for bit; int8 is our choice: K bytes, padding to a
// multiple of 4, and the row's scale as f32. Value k of a row is
//
//   scale(k) value(k) + minimum(k)        each operation rounded to f32, as ggml dequantises
//
// Scales are shared by kScaleValues values, minima by 32.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernel_types.h"
#include "shared/host_device.h"

namespace transfusion {

// Values of a row of activations that share a scale in quantised products.
inline constexpr i64 kQuantGroup = 32;

TRANSFUSION_HOST_DEVICE inline f32 float_of_bits(uint32_t bits) {
  f32 value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
TRANSFUSION_HOST_DEVICE inline uint32_t bits_of_float(f32 value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// IEEE half precision, little endian, at any address.
TRANSFUSION_HOST_DEVICE inline f32 float_of_half(const uint8_t* p) {
  const uint32_t half = p[0] | uint32_t{p[1]} << 8;
  const uint32_t sign = (half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) return float_of_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  // Scaled by a power of two, which is exact: subnormal numbers become normal ones.
  const f32 scaled = float_of_bits(rest << 13) * float_of_bits(0x77800000);  // 2^112
  return float_of_bits(bits_of_float(scaled) | sign);
}

// Rounds to nearest even; a NaN stays one.
TRANSFUSION_HOST_DEVICE inline void store_half(f32 value, uint8_t* p) {
  const uint32_t bits = bits_of_float(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  uint32_t half;
  if (rest > 0x7f800000) {
    half = 0x7e00;
  } else if (rest >= 0x477ff000) {
    half = 0x7c00;
  } else if (rest < 0x38800000) {
    // Added to 0.5, the last bit of a sum is that of a subnormal half.
    half = bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000;
  } else {
    half = (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13;
  }
  half |= sign;
  p[0] = static_cast<uint8_t>(half);
  p[1] = static_cast<uint8_t>(half >> 8);
}

struct Int8Blocks {
  static constexpr DType kDType = DType::int8;
  static constexpr i64 kScaleValues = 32;
  static constexpr bool kHasMinimum = false;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) { return static_cast<int8_t>(row[k]); }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64 K, i64) {
    const uint8_t* p = row + (K + 3) / 4 * 4;
    return float_of_bits(p[0] | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24);
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t*, i64) { return 0; }
};

// The block of a row that value k is in.
template <i64 kValues, i64 kBytes>
TRANSFUSION_HOST_DEVICE inline const uint8_t* block_of(const uint8_t* row, i64 k) {
  return row + k / kValues * kBytes;
}

struct Q8_0Blocks {
  static constexpr DType kDType = DType::q8_0;
  static constexpr i64 kValues = block_size(kDType).values, kBytes = block_size(kDType).bytes;
  static constexpr i64 kScaleValues = 32;
  static constexpr bool kHasMinimum = false;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) {
    return static_cast<int8_t>(block_of<kValues, kBytes>(row, k)[2 + k % 32]);
  }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64, i64 k) {
    return float_of_half(block_of<kValues, kBytes>(row, k));
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t*, i64) { return 0; }
};

// Value i of 32 whose first 16 are the low halves of 16 bytes, the others the high ones.
TRANSFUSION_HOST_DEVICE inline int nibble_of(const uint8_t* bytes, i64 i) {
  return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4;
}

struct Q4_0Blocks {
  static constexpr DType kDType = DType::q4_0;
  static constexpr i64 kValues = block_size(kDType).values, kBytes = block_size(kDType).bytes;
  static constexpr i64 kScaleValues = 32;
  static constexpr bool kHasMinimum = false;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) {
    return nibble_of(block_of<kValues, kBytes>(row, k) + 2, k % 32) - 8;
  }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64, i64 k) {
    return float_of_half(block_of<kValues, kBytes>(row, k));
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t*, i64) { return 0; }
};

struct Q4_1Blocks {
  static constexpr DType kDType = DType::q4_1;
  static constexpr i64 kValues = block_size(kDType).values, kBytes = block_size(kDType).bytes;
  static constexpr i64 kScaleValues = 32;
  static constexpr bool kHasMinimum = true;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) {
    return nibble_of(block_of<kValues, kBytes>(row, k) + 4, k % 32);
  }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64, i64 k) {
    return float_of_half(block_of<kValues, kBytes>(row, k));
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t* row, i64 k) {
    return float_of_half(block_of<kValues, kBytes>(row, k) + 2);
  }
};

// Scale, scale of the minima, 12 bytes of eight scales and eight minima of 6 bits, 128 bytes of halves: of 64
// values each 32 bytes hold, the first 32 are the low halves.
struct Q4KBlocks {
  static constexpr DType kDType = DType::q4_k;
  static constexpr i64 kValues = block_size(kDType).values, kBytes = block_size(kDType).bytes;
  static constexpr i64 kScaleValues = 32;
  static constexpr bool kHasMinimum = true;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) {
    const i64 i = k % 256;
    return block_of<kValues, kBytes>(row, k)[16 + i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
  }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64, i64 k) {
    const uint8_t *block = block_of<kValues, kBytes>(row, k), *packed = block + 4;
    const i64 j = k % 256 / 32;
    const int own = j < 4 ? packed[j] & 63 : (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
    return float_of_half(block) * static_cast<f32>(own);
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t* row, i64 k) {
    const uint8_t *block = block_of<kValues, kBytes>(row, k), *packed = block + 4;
    const i64 j = k % 256 / 32;
    const int own = j < 4 ? packed[j + 4] & 63 : packed[j + 4] >> 4 | packed[j] >> 6 << 4;
    return -(float_of_half(block + 2) * static_cast<f32>(own));
  }
};

// 128 bytes of low halves, 64 of high pairs of bits, 16 scales of 8 bits, and theirs.
struct Q6KBlocks {
  static constexpr DType kDType = DType::q6_k;
  static constexpr i64 kValues = block_size(kDType).values, kBytes = block_size(kDType).bytes;
  static constexpr i64 kScaleValues = 16;
  static constexpr bool kHasMinimum = false;
  static TRANSFUSION_HOST_DEVICE int value(const uint8_t* row, i64 k) {
    const uint8_t* block = block_of<kValues, kBytes>(row, k);
    const i64 i = k % 256, side = i / 128, quarter = i % 128 / 32, place = i % 32;
    const int low = block[64 * side + 32 * (quarter % 2) + place] >> quarter / 2 * 4 & 15;
    const int high = block[128 + 32 * side + place] >> 2 * quarter & 3;
    return (low | high << 4) - 32;
  }
  static TRANSFUSION_HOST_DEVICE f32 scale(const uint8_t* row, i64, i64 k) {
    const uint8_t* block = block_of<kValues, kBytes>(row, k);
    return float_of_half(block + 208) * static_cast<f32>(static_cast<int8_t>(block[192 + k % 256 / 16]));
  }
  static TRANSFUSION_HOST_DEVICE f32 minimum(const uint8_t*, i64) { return 0; }
};

// Calls body(Blocks{}) with the layout of a block dtype.
template <class Body>
Status with_blocks(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::int8:
      return body(Int8Blocks{});
    case DType::q8_0:
      return body(Q8_0Blocks{});
    case DType::q4_0:
      return body(Q4_0Blocks{});
    case DType::q4_1:
      return body(Q4_1Blocks{});
    case DType::q4_k:
      return body(Q4KBlocks{});
    case DType::q6_k:
      return body(Q6KBlocks{});
    default:
      return fail("a tensor must be of a block dtype, received %s", dtype_name(dtype));
  }
}

}  // namespace transfusion
