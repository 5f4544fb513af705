// Blocks to floats and floats to blocks, row by row; parallel over rows. What a block holds, and how values
// are rounded to it, is in shared/blocks.h and shared/quantize.h. There is nothing to differentiate.
#include "cpu/quantize.h"

#include "cpu/runtime/check.h"
#include "cpu/runtime/parallel.h"
#include "cpu/simd/scalar.h"
#include "shared/quantize.h"

namespace transfusion::cpu {
namespace {

template <class Body>
Status with_float(const TensorView& tensor, const Body& body) {
  if (tensor.dtype == DType::f32) return body(f32{});
  if (tensor.dtype == DType::bf16) return body(bf16{});
  return fail("a tensor must be of dtype f32 or bf16, received %s", dtype_name(tensor.dtype));
}

template <class Blocks, class Y>
void dequantize_row(Blocks, Y* y, const uint8_t* row, i64 K) {
  for (i64 begin = 0; begin < K; begin += Blocks::kScaleValues) {
    const f32 scale = Blocks::scale(row, K, begin), minimum = Blocks::minimum(row, begin);
    for (i64 k = begin; k < std::min(K, begin + Blocks::kScaleValues); ++k) {
      const f32 product = scale * static_cast<f32>(Blocks::value(row, k));
      store_float(Blocks::kHasMinimum ? product + minimum : product, y + k);
    }
  }
}

template <class X>
void quantize_row(Int8Blocks, uint8_t* row, const X* x, i64 K) {
  uint32_t largest = 0;
  for (i64 k = 0; k < K; ++k) largest = std::max(largest, magnitude_bits(to_float(x[k])));
  const Int8Scale scale = Int8Scale::of(largest);
  for (i64 k = 0; k < K; ++k) row[k] = static_cast<uint8_t>(scale.quantize(to_float(x[k])));
  const i64 padded = round_up(K, 4);
  std::memset(row + K, 0, static_cast<size_t>(padded - K));
  std::memcpy(row + padded, &scale.scale, sizeof scale.scale);
}

template <class Blocks, class X>
void quantize_row(Blocks blocks, uint8_t* row, const X* x, i64 K) {
  for (i64 begin = 0; begin < K; begin += Blocks::kValues, row += Blocks::kBytes)
    quantize_block(blocks, row, [&](i64 i) { return to_float(x[begin + i]); });
}

template <class Body>
Status with_quantizable(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::int8:
      return body(Int8Blocks{});
    case DType::q8_0:
      return body(Q8_0Blocks{});
    case DType::q4_0:
      return body(Q4_0Blocks{});
    case DType::q4_1:
      return body(Q4_1Blocks{});
    default:
      return fail("y must be f32, bf16, int8, q8_0, q4_0 or q4_1, received %s", dtype_name(dtype));
  }
}

// y[i] = row source(i) of x, zeros where that is negative.
template <class Source>
Status dequantize_rows(const TensorView& y, const TensorView& x, const Source& source) {
  const i64 K = x.dim(-1), bytes = row_bytes(x.dtype, K);
  return with_float(y, [&](auto element) {
    using Y = decltype(element);
    return with_blocks(x.dtype, [&](auto blocks) {
      parallel_for(y.rows(), row_grain(K), [&](i64 begin, i64 end) {
        for (i64 i = begin; i < end; ++i) {
          Y* target = static_cast<Y*>(y.data) + i * K;
          const i64 row = source(i);
          if (row < 0)
            std::memset(target, 0, static_cast<size_t>(K) * sizeof(Y));
          else
            dequantize_row(blocks, target, static_cast<const uint8_t*>(x.data) + row * bytes, K);
        }
      });
      return ok();
    });
  });
}

}  // namespace

Status dequantize(const TensorView& y, const TensorView& x) {
  return dequantize_rows(y, x, [](i64 i) { return i; });
}

Status quantize(const TensorView& y, const TensorView& x) {
  const i64 K = x.dim(-1), bytes = row_bytes(y.dtype, K);
  return with_float(x, [&](auto element) {
    using X = decltype(element);
    return with_quantizable(y.dtype, [&](auto blocks) {
      parallel_for(x.rows(), row_grain(K), [&](i64 begin, i64 end) {
        for (i64 i = begin; i < end; ++i)
          quantize_row(blocks, static_cast<uint8_t*>(y.data) + i * bytes,
                       static_cast<const X*>(x.data) + i * K, K);
      });
      return ok();
    });
  });
}

Status take_dequantized_rows(const TensorView& y, const TensorView& x, const TensorView& rows,
                             const char* argument) {
  if (const Status status = check_indices(rows, x.dim(0), argument); status.failed) return status;
  return dequantize_rows(y, x, [&](i64 i) { return static_cast<const i32*>(rows.data)[i]; });
}

}  // namespace transfusion::cpu
