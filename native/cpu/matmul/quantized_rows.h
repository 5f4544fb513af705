// The activations of a quantised product: rows of x rounded to int8 in groups of 32 with a scale each.
#pragma once

#include "cpu/runtime/parallel.h"
#include "cpu/simd/scalar.h"
#include "shared/quantize.h"

namespace transfusion::cpu {

// `groups` of each of M rows; a last one that is short is padded with zeros. Rows of zeros follow, up to a
// multiple of kRowStep: kernels may multiply them, too.
struct QuantizedRows {
  static constexpr i64 kRowStep = 8;

  i64 M, groups;
  int8_t* values;  // [M, groups, 32]
  f32* scales;     // [M, groups]
  i32* sums;       // [M, groups, 2], of each half's values

  const int8_t* row(i64 m) const { return values + m * groups * kQuantGroup; }
  const f32* row_scales(i64 m) const { return scales + m * groups; }
  const i32* row_sums(i64 m) const { return sums + m * groups * 2; }

  static QuantizedRows in_scratch(Context& context, i64 M, i64 K) {
    const i64 groups = ceil_div(K, kQuantGroup), padded = M <= 2 ? M : round_up(M, kRowStep);
    const QuantizedRows rows{M, groups, context.scratch<int8_t>(padded * groups * kQuantGroup),
                             context.scratch<f32>(padded * groups),
                             context.scratch<i32>(padded * groups * 2)};
    const i64 begin = M * groups, count = (padded - M) * groups;
    std::fill_n(rows.values + begin * kQuantGroup, count * kQuantGroup, int8_t{0});
    std::fill_n(rows.scales + begin, count, 0.0f);
    std::fill_n(rows.sums + begin * 2, count * 2, 0);
    return rows;
  }
};

// The group of `count` values from x on.
template <class X>
void quantize_group(const QuantizedRows& rows, i64 group, const X* x, i64 count) {
  f32 wide[kQuantGroup] = {};
  uint32_t largest = 0;
  for (i64 i = 0; i < count; ++i) {
    wide[i] = to_float(x[i]);
    largest = std::max(largest, magnitude_bits(wide[i]));
  }
  const Int8Scale scale = Int8Scale::of(largest);
  rows.scales[group] = scale.scale;
  int8_t* values = rows.values + group * kQuantGroup;
  for (i64 half = 0; half < 2; ++half) {
    i32 sum = 0;
    for (i64 i = 16 * half; i < 16 * half + 16; ++i) {
      const int value = scale.quantize(wide[i]);
      values[i] = static_cast<int8_t>(value);
      sum += value;
    }
    rows.sums[2 * group + half] = sum;
  }
}

}  // namespace transfusion::cpu
