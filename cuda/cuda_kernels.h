// Declares every kernel of the contract in transfusion::cuda: the host halves of the .cu files.
#pragma once

#include "kernels.h"

namespace transfusion::cuda {

#define K(name, arguments) Status name(Context& context, TRANSFUSION_UNPAREN arguments);
KERNELS(K)
#undef K

}  // namespace transfusion::cuda
