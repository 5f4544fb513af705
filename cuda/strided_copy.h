// Copies between dense tensors that are seen with other axes, for layout.cu and transpose.cu.
#pragma once

#include "host/launch.h"

namespace transfusion::cuda {

// An axis of a copy; strides are in elements.
struct CopyAxis {
  i64 size, y_stride, x_stride;
};

// `axes` from the outermost on; along the last one both y and x are dense.
Status copy_strided(Context& context, void* y, const void* x, DType dtype,
                    std::initializer_list<CopyAxis> axes);

}  // namespace transfusion::cuda
