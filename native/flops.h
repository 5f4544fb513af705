// Floating-point operations of the kernels whose time they explain: a product and a sum are two. Only shapes
// are read here: what tensors hold may lie where the host cannot read it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels.h"

namespace transfusion {

// Of a call of a kernel, or of each pair of a query and a key that it sees.
struct Flops {
  double count = 0;
  In key_start{}, key_end{};  // absent: not of pairs
};

// Of a call of the kernel: (const Arguments&...) -> Flops; null where they are not counted.
template <auto KernelTable::*Kernel>
inline constexpr std::nullptr_t flops_of = nullptr;

inline Flops product_flops(const TensorView& y, const TensorView& a, bool transpose_a) {
  return {2.0 * static_cast<double>(y.elements()) * static_cast<double>(a.dim(transpose_a ? -2 : -1))};
}

// Multiplications with a kernel of a convolution, for each of the elements that are made or come from it.
inline Flops convolution_flops(const TensorView& output, const TensorView& weight) {
  return {2.0 * static_cast<double>(output.elements()) *
          static_cast<double>(weight.elements() / std::max<i64>(1, weight.dim(0)))};
}

// `products` times [T, D] x [D, K] for each head, over the pairs alone of which the query sees the key.
inline Flops products_of_pairs(int products, const TensorView& q, const In& key_start, const In& key_end) {
  return {2.0 * products * static_cast<double>(q.dim(-2) * q.dim(-1)), key_start, key_end};
}

template <>
inline constexpr auto flops_of<&KernelTable::matmul> = +[](const Out& y, const In& a, const In&,
                                                           const InOptional&, const bool& transpose_a,
                                                           const bool&) {
  return product_flops(y, a, transpose_a);
};

template <>
inline constexpr auto flops_of<&KernelTable::matmul_accumulate> = +[](const Acc& y, const In& a, const In&,
                                                                      const bool& transpose_a, const bool&) {
  return product_flops(y, a, transpose_a);
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
  return dweight.present() ? convolution_flops(dy, dweight) : Flops{};
};

// Two products forward; backward the four of the gradients, whatever is computed again.
template <>
inline constexpr auto flops_of<&KernelTable::attention> = +[](const Out&, const OutOptional&, const Out&,
                                                              const In& q, const In&, const In&,
                                                              const In& key_start, const In& key_end,
                                                              const In&, const In&, const f32&) {
  return products_of_pairs(2, q, key_start, key_end);
};

template <>
inline constexpr auto flops_of<&KernelTable::attention_backward> =
    +[](const Out&, const Out&, const Out&, const In&, const In&, const InOptional&, const In&, const In& q,
        const In&, const In&, const In& key_start, const In& key_end, const In&, const In&,
        const f32&) { return products_of_pairs(4, q, key_start, key_end); };

}  // namespace transfusion
