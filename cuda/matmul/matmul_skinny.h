// Products with a few rows, y [M, N] = a [M, K] b [N, K]^T, whose time goes into reading b.
#pragma once

#include "host/launch.h"
#include "matmul/product.h"

namespace transfusion::cuda {

constexpr i64 kMaxSkinnyRows = 8;

// Rows of a and b are multiples of 16 bytes, at such addresses.
Status matmul_skinny(Context& context, const Output& output, DType dtype, const void* a, const void* b, i64 m,
                     i64 n, i64 k);

}  // namespace transfusion::cuda
