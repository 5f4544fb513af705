// Skinny products: a few rows times a large matrix that is read from memory, as in decoding.
#pragma once

#include "kernel_types.h"

namespace transfusion::cpu {

// Up to so many rows M it is faster than oneDNN's product.
inline constexpr i64 kMaxSkinnyRows = 16;

// y [M, N] = x [M, K] w [N, K]^T + bias [N] or absent, summed in oneDNN's order: on CPUs with AVX-512 to the
// same bits.
Status skinny_gemm(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                   const TensorView& bias);

}  // namespace transfusion::cpu
