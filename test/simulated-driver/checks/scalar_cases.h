// Instructions with operands and results that were worked out by hand from the PTX manual.
#pragma once

#include <vector>

namespace simulated {

struct ScalarCase {
  const char* opcode;
  const char* result;
  std::vector<const char*> operands;
  double tolerance = 0;
};

std::vector<ScalarCase> scalar_cases();

}  // namespace simulated
