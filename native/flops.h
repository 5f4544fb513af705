// Floating-point operations of the kernels whose time they explain: a product and a sum are two.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels.h"

namespace transfusion {

// Of a call of the kernel: (const Arguments&...) -> double; null where they are not counted.
template <auto KernelTable::*Kernel>
inline constexpr std::nullptr_t flops_of = nullptr;

// Multiplications with a kernel of a convolution, for each of the elements that are made or come from it.
inline double convolution_flops(const TensorView& output, const TensorView& weight) {
  return 2.0 * static_cast<double>(output.elements()) *
         static_cast<double>(weight.elements() / std::max<i64>(1, weight.dim(0)));
}

// A product [T, D] x [D, K] of each head, over the pairs that see each other alone: these the spans tell,
// which the host can read on the CPU.
inline double product_of_pairs_flops(const TensorView& q, const In& key_start, const In& key_end) {
  double pairs = 0;
  for (i64 t = 0; t < key_start.elements(); ++t)
    pairs += std::max(0, key_end.as<i32>()[t] - key_start.as<i32>()[t]);
  return 2 * pairs * static_cast<double>(q.dim(-2) * q.dim(-1));
}

template <>
inline constexpr auto flops_of<&KernelTable::matmul> = +[](const Out& y, const In& a, const In&,
                                                           const InOptional&, const bool& transpose_a,
                                                           const bool&) {
  return 2.0 * static_cast<double>(y.elements()) * static_cast<double>(a.dim(transpose_a ? -2 : -1));
};

template <>
inline constexpr auto flops_of<&KernelTable::matmul_accumulate> = +[](const Acc& y, const In& a, const In&,
                                                                      const bool& transpose_a, const bool&) {
  return 2.0 * static_cast<double>(y.elements()) * static_cast<double>(a.dim(transpose_a ? -2 : -1));
};

template <>
inline constexpr auto flops_of<&KernelTable::conv2d> = +[](const Out& y, const In&, const In& weight,
                                                           const InOptional&, const InOptional&, const i64&,
                                                           const i64&, const i64&) {
  return convolution_flops(y, weight);
};

template <>
inline constexpr auto flops_of<&KernelTable::conv2d_backward_input> = +[](const Out&, const In& dy,
                                                                          const In& weight, const i64&,
                                                                          const i64&, const i64&) {
  return convolution_flops(dy, weight);
};

template <>
inline constexpr auto flops_of<&KernelTable::conv2d_backward_weight> = +[](const Acc& dweight, const In& dy,
                                                                           const In&, const i64&, const i64&,
                                                                           const i64&) {
  return dweight.present() ? convolution_flops(dy, dweight) : 0.0;
};

// Two products forward; backward the four of the gradients, whatever is computed again.
template <>
inline constexpr auto flops_of<&KernelTable::attention> = +[](const Out&, const OutOptional&, const Out&,
                                                              const In& q, const In&, const In&,
                                                              const In& key_start, const In& key_end,
                                                              const In&, const In&, const f32&) {
  return 2 * product_of_pairs_flops(q, key_start, key_end);
};

template <>
inline constexpr auto flops_of<&KernelTable::attention_backward> =
    +[](const Out&, const Out&, const Out&, const In&, const In&, const InOptional&, const In&, const In& q,
        const In&, const In&, const In& key_start, const In& key_end, const In&, const In&,
        const f32&) { return 4 * product_of_pairs_flops(q, key_start, key_end); };

}  // namespace transfusion
