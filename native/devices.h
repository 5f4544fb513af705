// The devices of this process, by number. 0 is the CPU.
#pragma once

#include <vector>

#include "backend.h"

namespace transfusion {

// Made at the first call, never destroyed; shared by all environments.
const std::vector<Backend*>& devices();

// Leaves the streams of all of them: see Stream::leave.
void leave_devices(Owner& owner);

}  // namespace transfusion
