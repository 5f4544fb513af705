// Tells one state of the sources from another, for two builds that share their structs and virtual functions.
#pragma once

#include "kernel_types.h"

namespace transfusion {

// Of the text of cuda_library.h and of all headers of ours that it includes: what the addon and the library
// of the CUDA backend must have in common.
u64 interface_hash();

}  // namespace transfusion
