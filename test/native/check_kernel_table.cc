// Links the whole kernel table, so that a kernel without a definition is an error of the build, and checks
// what the table says of itself.
#include <cstdio>

#include "cpu/cpu_backend.h"

int main() {
  using namespace transfusion;
  const KernelTable& table = cpu_backend().kernels;
  bool passed = true;
  const auto check = [&](bool holds, const char* what) {
    if (!holds) std::printf("%s\n", what);
    passed = passed && holds;
  };
#define K(name, arguments) check(table.name != nullptr, #name " is missing");
  KERNELS(K)
#undef K
  return passed ? 0 : 1;
}
