// The references of kernels that draw noise.
#pragma once

#include <vector>

#include "check/gpu.h"

namespace transfusion::check {

// Of `count` images: seeds [count, 4].
Values random_seeds(Run& run, i64 count);

// The first `count` normals of the stream of row `image` of seeds.
std::vector<double> normals_of(const Values& seeds, i64 image, i64 count);

}  // namespace transfusion::check
