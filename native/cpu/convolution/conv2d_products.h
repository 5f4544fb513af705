// Convolutions of stride 1 and one group as products of matrices (conv2d_taps.h), all f32: for CPUs without
// AVX-512, where oneDNN's own reach half the rate of its products.
//
// No sum depends on the number of threads: a band of an image's rows is one thread's, and weight gradients
// are partial sums over chunks of images, cut by shape and added up in order.
#pragma once

#include "kernel_types.h"

namespace transfusion::cpu {

// Of x [images, height, width, channels] to y [images, out_height, out_width, out_channels].
struct Correlation {
  i64 images, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  i64 padding;
};

// Whether this is the faster way: not with few channels.
bool correlates_by_products(const Correlation& shape);

// weight [O, Kh, Kw, C]; bias [O], or one after the other for each image; bias and residual may be null.
Status correlate(Context& context, const Correlation& shape, float* y, const float* x, const float* weight,
                 const float* bias, bool bias_of_image, const float* residual);
Status correlate_backward_input(Context& context, const Correlation& shape, float* dx, const float* dy,
                                const float* weight);
// dweight += gradients.
Status correlate_backward_weight(Context& context, const Correlation& shape, float* dweight, const float* dy,
                                 const float* x);

}  // namespace transfusion::cpu
