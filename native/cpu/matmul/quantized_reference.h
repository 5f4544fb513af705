// The product of quantized_matmul.cc as its formula says, for CPUs without a kernel of their own: a row of w
// is unpacked and multiplied with all rows of x.
#pragma once

#include "cpu/matmul/quantized_rows.h"

namespace transfusion::cpu::reference {

// Rows of w of a task.
constexpr i64 kRows = 16;

// A row of w, its values as int8, padded to whole groups.
struct UnpackedRow {
  int8_t* values;
  f32 *scales, *minima;  // [groups, 2], [groups]
};

template <class Blocks>
void unpack_row(Blocks, const UnpackedRow& to, const uint8_t* row, i64 K, i64 groups) {
  for (i64 g = 0; g < groups; ++g) {
    const i64 begin = g * kQuantGroup, count = std::min(kQuantGroup, K - begin);
    for (i64 i = 0; i < count; ++i) to.values[begin + i] = static_cast<int8_t>(Blocks::value(row, begin + i));
    std::memset(to.values + begin + count, 0, static_cast<size_t>(kQuantGroup - count));
    to.scales[2 * g] = Blocks::scale(row, K, begin);
    to.scales[2 * g + 1] = Blocks::scale(row, K, begin + kQuantGroup - Blocks::kScaleValues);
    to.minima[g] = Blocks::minimum(row, begin);
  }
}

inline i32 dot(const int8_t* a, const int8_t* b, i64 count) {
  i32 sum = 0;
  for (i64 i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

template <class Blocks>
f32 product(Blocks, const QuantizedRows& x, i64 m, const UnpackedRow& w) {
  constexpr i64 kPart = Blocks::kScaleValues;
  const int8_t* values = x.row(m);
  f32 total = 0;
  for (i64 g = 0; g < x.groups; ++g) {
    const f32 d = x.row_scales(m)[g];
    for (i64 begin = 0; begin < kQuantGroup; begin += kPart) {
      const i64 at = g * kQuantGroup + begin;
      const f32 sum = static_cast<f32>(dot(values + at, w.values + at, kPart));
      total += sum * (Blocks::kDType == DType::int8 ? d : d * w.scales[2 * g + begin / kPart]);
    }
    if (Blocks::kHasMinimum)
      total += w.minima[g] * (d * static_cast<f32>(x.row_sums(m)[2 * g] + x.row_sums(m)[2 * g + 1]));
  }
  return Blocks::kDType == DType::int8 && x.groups > 0 ? total * w.scales[0] : total;
}

template <class Blocks, class X, class Y>
void multiply(Context& context, Blocks blocks, Y* y, const QuantizedRows& x, const uint8_t* w, const X* bias,
              i64 N, i64 K) {
  const i64 depth = x.groups * kQuantGroup, floats = depth / 4 + 3 * x.groups;
  parallel_tasks(context, ceil_div(N, kRows), floats, [&](i64 task, f32* scratch) {
    const UnpackedRow row{reinterpret_cast<int8_t*>(scratch), scratch + depth / 4,
                          scratch + depth / 4 + 2 * x.groups};
    for (i64 n = task * kRows; n < std::min(N, (task + 1) * kRows); ++n) {
      unpack_row(blocks, row, w + n * row_bytes(Blocks::kDType, K), K, x.groups);
      for (i64 m = 0; m < x.M; ++m) {
        const f32 total = product(blocks, x, m, row);
        store_float(bias ? total + to_float(bias[n]) : total, y + m * N + n);
      }
    }
  });
}

}  // namespace transfusion::cpu::reference
