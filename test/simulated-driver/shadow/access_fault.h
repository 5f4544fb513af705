// What is wrong with an access of memory. Whoever runs the instruction adds where it stands
// (machine/fault.h).
#pragma once

#include <string>

#include "machine/fault.h"

namespace simulated {

struct AccessFault {
  FaultKind kind;
  std::string what;
  int lane;  // the first one that is concerned
};

}  // namespace simulated
