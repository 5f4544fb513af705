// y [M, N] = x [M, K] w [N, K]^T + bias [N], w of a block dtype. Each row of x is rounded to int8 in groups
// of 32 (Int8Scale). With s, v, b the scales, values and minima of w's row n, and d, u, those of x's row m:
//
//   total = 0
//   for each group g, in order:
//     for each part p of the group whose values share a scale (two in q6_k, else one):
//       total = total + float(sum of u v, exact) (d[g] s[p])
//     total = total + b[g] (d[g] float(sum of u, exact))          where w has minima
//   y = total + bias[n]                                           int8: total s + bias[n], with s[p] = 1
//
// each operation rounded by itself, so that neither M, N, threads nor the CPU can change a bit. Parallel over
// blocks of rows of w. There is no backward pass: such weights are for inference.
#include "cpu/cpu.h"
#include "cpu/matmul/quantized_rows.h"

namespace transfusion::cpu {
namespace {

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

template <class Body>
Status with_float(const TensorView& tensor, const Body& body) {
  if (tensor.dtype == DType::f32) return body(f32{});
  if (tensor.dtype == DType::bf16) return body(bf16{});
  return fail("a tensor must be of dtype f32 or bf16, received %s", dtype_name(tensor.dtype));
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

}  // namespace

Status quantized_matmul(Context& context, Out y, In x, InAny w, InOptional bias) {
  const i64 M = x.dim(0), K = x.dim(1), N = w.dim(0);
  const QuantizedRows rows = QuantizedRows::in_scratch(context, M, K);
  return with_float(x, [&](auto x_element) {
    using X = decltype(x_element);
    parallel_for(M * rows.groups, row_grain(kQuantGroup), [&](i64 begin, i64 end) {
      for (i64 group = begin; group < end; ++group) {
        const i64 m = group / rows.groups, k = group % rows.groups * kQuantGroup;
        quantize_group(rows, group, x.as<X>() + m * K + k, std::min(kQuantGroup, K - k));
      }
    });
    return with_float(y, [&](auto y_element) {
      using Y = decltype(y_element);
      return with_blocks(w.dtype, [&](auto blocks) {
        multiply(context, blocks, y.as<Y>(), rows, w.as<uint8_t>(), bias.as<X>(), N, K);
        return ok();
      });
    });
  });
}

}  // namespace transfusion::cpu
