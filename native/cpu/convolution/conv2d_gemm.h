// Convolutions of stride 1 and one group as implicit GEMMs (implicit_gemm.h), all f32: for CPUs without
// AVX-512, where oneDNN's own reach half the rate of its matrix products.
//
// No sum depends on the number of threads: a band of an image's rows is one thread's, and weight gradients
// are partial sums over chunks of images, or bands of few images, cut by shape and added up in order.
#pragma once

#include "kernel_types.h"

namespace transfusion::cpu {

// A convolution of x [images, height, width, channels] to y [images, out_height, out_width, out_channels].
struct Conv2dShape {
  i64 images, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  i64 padding;
};

// Partial sums of a weight gradient that each image is worth: few images still give work to 8 threads.
inline i64 chunks_of_image(i64 images) { return (7 + images) / images; }

// Whether implicit GEMMs are faster than oneDNN's convolutions: not with few channels.
bool prefers_gemm(const Conv2dShape& shape);

// weight [O, Kh, Kw, C]; bias [O], or [images, O] where bias_of_image; bias and residual may be null.
Status gemm_conv2d(Context& context, const Conv2dShape& shape, float* y, const float* x, const float* weight,
                   const float* bias, bool bias_of_image, const float* residual);
Status gemm_conv2d_backward_input(Context& context, const Conv2dShape& shape, float* dx, const float* dy,
                                  const float* weight);
// dweight += gradients.
Status gemm_conv2d_backward_weight(Context& context, const Conv2dShape& shape, float* dweight,
                                   const float* dy, const float* x);

}  // namespace transfusion::cpu
