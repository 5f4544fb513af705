// The products that are timed: squares, those of training steps, those of decoding.
#pragma once

#include <string>
#include <vector>

#include "check/gpu.h"

namespace transfusion::check {

enum class Layout { nn, nt, tn, tn_accumulate };

struct TimedProduct {
  Layout layout;
  i64 M, N, K;
  DType dtype = DType::bf16;
  Size size = Size::real;

  std::string name() const {
    constexpr const char* kLayouts[] = {"nn", "nt", "tn", "tn accumulated"};
    return "matmul " + std::string(kLayouts[static_cast<int>(layout)]) + " [" + std::to_string(M) + ", " +
           std::to_string(N) + ", " + std::to_string(K) + "], " + name_of(dtype);
  }
  ProductShape shape() const {
    return {.dtype = dtype,
            .y_dtype = layout == Layout::tn_accumulate ? DType::f32 : dtype,
            .transpose_a = layout >= Layout::tn,
            .transpose_b = layout == Layout::nt,
            .accumulate = layout == Layout::tn_accumulate,
            .aligned = true,
            .m = M,
            .n = N,
            .k = K};
  }
};

inline std::vector<TimedProduct> timed_products() {
  std::vector<TimedProduct> products{{Layout::nt, 96, 80, 64, DType::bf16, Size::small}};
  constexpr Layout kLayouts[] = {Layout::nt, Layout::nn, Layout::tn_accumulate};
  for (const i64 side : {1024, 2048, 4096, 8192})
    for (const Layout layout : kLayouts) products.push_back({layout, side, side, side});
  // Of a step of 4096 tokens of the 0.76B model (width 1536) and of the 0.16B model (768): queries, keys and
  // values, gate and up, down; logits; gradients to weights.
  struct Sizes {
    i64 M, N, K;
  };
  for (const auto& [M, N, K] : {Sizes{4096, 4608, 1536},
                                {4096, 8192, 1536},
                                {4096, 1536, 4096},
                                {4096, 2304, 768},
                                {4096, 4096, 768},
                                {4096, 768, 2048},
                                {2048, 32000, 768}})
    products.push_back({Layout::nt, M, N, K});
  for (const auto& [M, N, K] : {Sizes{4608, 1536, 4096}, {8192, 1536, 4096}, {768, 2048, 4096}})
    products.push_back({Layout::tn_accumulate, M, N, K});
  for (const i64 rows : {1, 4, 16, 64}) products.push_back({Layout::nt, rows, 8192, 2048});
  for (const Layout layout : kLayouts) products.push_back({layout, 4096, 4096, 4096, DType::f32});
  products.push_back({Layout::nt, 1, 8192, 2048, DType::f32});
  return products;
}

}  // namespace transfusion::check
