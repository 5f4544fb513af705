// Convolutions of 3 x 3 and stride 1 by Winograd's minimal filtering, F(2 x 2, 3 x 3): 2.25 times fewer
// products than direct ones, in f32. (In bf16 its transformed operands would have to be rounded once more.)
//
// No sum depends on the number of threads or on other images.
#pragma once

#include "cpu/convolution/conv2d_gemm.h"

namespace transfusion::cpu {

// Whether this is faster than products of all taps: not with few channels.
bool prefers_winograd(const Conv2dShape& shape);
// Of a weight gradient, also from operands of bf16.
bool prefers_winograd_weight_gradient(const Conv2dShape& shape, DType dtype);

// weight [O, 3, 3, C]; bias [O], or [images, O] where bias_of_image; bias and residual may be absent.
Status winograd_conv2d(Context& context, const Conv2dShape& shape, float* y, const float* x, const In& weight,
                       const float* bias, bool bias_of_image, const float* residual);
Status winograd_conv2d_backward_input(Context& context, const Conv2dShape& shape, float* dx, const float* dy,
                                      const In& weight);
// dweight += gradients. dy and x are f32 or bf16.
Status winograd_conv2d_backward_weight(Context& context, const Conv2dShape& shape, float* dweight,
                                       const In& dy, const In& x);

}  // namespace transfusion::cpu
