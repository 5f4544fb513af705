// Products with a few rows, y [M, N] = a [M, K] b [N, K]^T, whose time goes into reading b.
#pragma once

#include "matmul/dense_product.h"

namespace transfusion::cuda {

constexpr i64 kMaxSkinnyRows = 8;

// y = a b^T of an aligned product. Sums are added up in another order than in tiles.
Status matmul_skinny(Context& context, const DenseProduct& product);

}  // namespace transfusion::cuda
