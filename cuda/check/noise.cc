#include "check/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "shared/philox.h"

namespace transfusion::check {

Values random_seeds(Run& run, i64 count) { return run.random_integers({count, 4}, -2000000000, 2000000000); }

// Element i is lane i % 4 of block i / 4 of the stream, two words to two normals by Box and Muller.
std::vector<double> normals_of(const Values& seeds, i64 image, i64 count) {
  const auto word = [&](int i) { return static_cast<uint32_t>(static_cast<int32_t>(seeds[4 * image + i])); };
  const Seed seed{{word(0), word(1)}, {word(2), word(3)}};
  std::vector<double> normals;
  for (i64 i = 0; i < count; ++i) {
    const PhiloxBlock block = philox_block(seed, i / 4);
    const uint32_t* words = block.words + i % 4 / 2 * 2;
    const double uniform = static_cast<float>(words[0] >> 1) * 0x1p-31 + 0x1p-32;
    const double radius = std::sqrt(-2 * std::log(std::min(1., uniform)));
    const double angle = static_cast<int32_t>(words[1]) * 0x1p-31 * std::numbers::pi;
    normals.push_back(radius * (i % 2 ? std::sin(angle) : std::cos(angle)));
  }
  return normals;
}

}  // namespace transfusion::check
