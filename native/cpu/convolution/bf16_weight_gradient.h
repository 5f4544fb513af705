// Weight gradients of convolutions of bf16, on AMX or with vectors of bf16 pairs: with few channels up to
// twice as fast as oneDNN 2.6's.
#pragma once

#include "cpu/convolution/conv2d_gemm.h"

namespace transfusion::cpu {

// Whether this is faster than oneDNN, given bf16.
bool prefers_bf16_weight_gradient(const Conv2dShape& shape);

// dweight [O, Kh, Kw, C] += gradients: partial sums over chunks of so many images, added up in order.
Status bf16_conv2d_backward_weight(Context& context, const Conv2dShape& shape, i64 chunk_images,
                                   float* dweight, const bf16* dy, const bf16* x);

}  // namespace transfusion::cpu
