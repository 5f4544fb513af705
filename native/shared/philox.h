// What a seed means: the parameters of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011), and how seeds lie in a tensor. A seed is a key and a stream; block b of a stream is four
// words, the function of the key and of counter (b, stream). Element i of a stream is word i % 4 of block
// i / 4, so that any part can be made alone. Every backend makes the same words of a seed.
#pragma once

#include "kernel_types.h"

namespace transfusion {

inline constexpr int kPhiloxRounds = 10;
inline constexpr uint32_t kPhiloxFactor0 = 0xd2511f53u, kPhiloxFactor1 = 0xcd9e8d57u;
// What each round adds to the key.
inline constexpr uint32_t kPhiloxKeyStep0 = 0x9e3779b9u, kPhiloxKeyStep1 = 0xbb67ae85u;

struct Seed {
  uint32_t key[2], stream[2];

  // Row `row` of seeds [N, 4].
  static Seed of(const In& seeds, i64 row) {
    const auto* words = seeds.as<uint32_t>() + 4 * row;
    return {{words[0], words[1]}, {words[2], words[3]}};
  }
};

}  // namespace transfusion
