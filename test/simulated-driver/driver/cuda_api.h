// The toolkit's declarations. `__CUDA_API_VERSION_INTERNAL`: a function is called by the name that is
// written, not by that of its newest version.
#pragma once

#define __CUDA_API_VERSION_INTERNAL
#include <cudaTypedefs.h>
