#pragma once

#include <cstdint>

namespace simulated {

constexpr int kThreads = 128;

// y[block] = sum of count floats, x [blocks, count].
struct SumArguments {
  const float* x;
  float* y;
  int count;
};

}  // namespace simulated
