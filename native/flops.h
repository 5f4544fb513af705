// The floating-point operations of one call of a kernel, for profiles: a multiplication and an addition are
// two. Counted for products, convolutions and attention, which are where the time goes. Only shapes are read
// here, on the host: the data may lie in the memory of a device.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels.h"

namespace transfusion {

// `count` is for the whole call or, where key_start and key_end are present, for each pair of a query and a
// key that the query sees: the number of pairs is data, so the backend reads it.
struct Flops {
  double count = 0;
  In key_start{}, key_end{};
};

// (const Arguments&...) -> Flops of a call of the kernel; null for kernels that are not counted.
template <auto KernelTable::*Kernel>
inline constexpr std::nullptr_t flops_of = nullptr;

inline Flops product_flops(const TensorView& y, const TensorView& a, bool transpose_a) {
  return {2.0 * static_cast<double>(y.elements()) * static_cast<double>(a.dim(transpose_a ? -2 : -1))};
}

// Each element of the output of a convolution is a product with one of the kernels of `weight` [O, ...].
inline Flops convolution_flops(const TensorView& output, const TensorView& weight) {
  return {2.0 * static_cast<double>(output.elements()) *
          static_cast<double>(weight.elements() / std::max<i64>(1, weight.dim(0)))};
}

// `products` times [T, D] x [D, K] for each head, over visible pairs alone.
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
inline constexpr auto flops_of<&KernelTable::quantized_matmul> = +[](const Out& y, const In& x, const InAny&,
                                                                     const InOptional&) {
  return product_flops(y, x, false);
};

template <>
inline constexpr auto flops_of<&KernelTable::matmul_accumulate> = +[](const Acc& y, const In& a, const In&,
                                                                      const bool& transpose_a, const bool&) {
  return product_flops(y, a, transpose_a);
};

template <>
inline constexpr auto flops_of<&KernelTable::matmul_part> = +[](const Part& y, const In& a, const In&,
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

// Two products forward and, backward, the four of the gradients: products that a kernel computes again are
// not counted.
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
