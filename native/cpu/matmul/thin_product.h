// Products of a few rows with a matrix that is read from memory, as in decoding.
#pragma once

#include "kernel_types.h"

namespace transfusion::cpu {

// Up to so many rows it is faster than oneDNN's product.
inline constexpr i64 kThinRows = 16;

// y [M, N] = x [M, K] w [N, K]^T + bias [N] or absent, summed as oneDNN does: bit for bit on CPUs with
// AVX-512.
Status thin_product(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                    const TensorView& bias);

}  // namespace transfusion::cpu
