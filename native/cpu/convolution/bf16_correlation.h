// Weight gradients of convolutions of bf16, in matrix registers or vectors of pairs: with few channels up to
// twice as fast as oneDNN 2.6's.
#pragma once

#include "cpu/convolution/conv2d_products.h"

namespace transfusion::cpu {

// Whether this is the faster way, given bf16.
bool correlates_in_pairs(const Correlation& shape);

// dweight [O, Kh, Kw, C] += gradients: partial sums over chunks of so many images, added up in order.
Status bf16_correlate_backward_weight(Context& context, const Correlation& shape, i64 chunk_images,
                                      float* dweight, const bf16* dy, const bf16* x);

}  // namespace transfusion::cpu
