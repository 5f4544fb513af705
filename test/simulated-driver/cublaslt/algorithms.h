// What the simulated cuBLASLt can do, and what it proposes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simulated {

struct KnownAlgorithm {
  int splits;                   // of K
  uint32_t reduction;           // the bit of the reduction scheme that allows it; 0: always allowed
  bool backwards;               // its sums begin at K's end: other bits
  uint32_t alignment;           // of matrices, in bytes
  size_t extra_bytes;           // of workspace, beyond the sums of splits
  uint32_t bias_alignment = 0;  // at least; 0: it takes products without one, too
};

// In the order in which they are proposed. Callers that mask nothing, or that say nothing of their alignment,
// get those that their products must not have.
constexpr KnownAlgorithm kAlgorithms[] = {
    {2, 1, false, 16, 0},                // joins in y's type
    {2, 4, false, 16, 0},                // the same
    {1, 0, false, 256, 0},               // of wide accesses
    {1, 0, false, 16, size_t{1} << 30},  // of a workspace that nobody has
    {1, 0, false, 16, 0, 256},           // where allocations happen to lie
    {2, 2, false, 16, 0},
    {1, 0, false, 16, 0},
    {1, 0, true, 16, 0},
};
constexpr int kAlgorithmCount = static_cast<int>(sizeof kAlgorithms / sizeof kAlgorithms[0]);

}  // namespace simulated
