// Products of bf16 matrices on AMX. (In oneDNN 2.6's a sum depends on the number of threads and on how many
// rows there are.)
#pragma once

#include "kernel_types.h"

namespace transfusion::cpu {

// y [.., M, N] = a b + bias, or y += a b; a, b and bias in bf16, K > 0. For CPUs with has_amx().
Status amx_gemm(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
                const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate);

}  // namespace transfusion::cpu
