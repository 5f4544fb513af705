// Values as blocks and back, for cast (elementwise.cu) and embedding.cu; see shared/blocks.h.
#pragma once

#include "host/launch.h"

namespace transfusion::cuda {

// y f32 or bf16 = x of a block dtype.
Status dequantize(Context& context, const TensorView& y, const TensorView& x);

// y of int8, q8_0, q4_0 or q4_1 = x f32 or bf16.
Status quantize(Context& context, const TensorView& y, const TensorView& x);

// y [T, K] f32 or bf16 = rows of x [R, K] of a block dtype by index, zeros for -1.
Status take_dequantized_rows(Context& context, const TensorView& y, const TensorView& x,
                             const TensorView& rows, const char* argument);

}  // namespace transfusion::cuda
