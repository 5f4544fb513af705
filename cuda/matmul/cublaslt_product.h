// Products by cuBLASLt (host/cublaslt.h): large ones of bf16, whose sums are in f32 and, where it splits K,
// are joined in f32 and in order. A row of y may depend on how many rows there are.
#pragma once

#include "matmul/dense_product.h"
#include "product_choices.h"

namespace transfusion::cuda {

// Whether it can compute the product as we mean it: without a tensor in another type, or at an odd address.
bool library_computes(const DenseProduct& product);

// The first of the algorithms that it proposes, best first; none where it is not there or has none. Which
// they are depends on its version, the GPU and the product's shape alone.
std::vector<ProductWay> library_ways(Context& context, const DenseProduct& product, int most);

// Whether an algorithm, of another shape, computes this product too.
bool library_takes(Context& context, const DenseProduct& product, const ProductWay& way);

// By an algorithm of its.
Status launch_library(Context& context, const DenseProduct& product, const ProductWay& way);

}  // namespace transfusion::cuda
