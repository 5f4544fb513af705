// What a seed means: the parameters of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011), and how seeds lie in a tensor. A seed is a key and a stream; block b of a stream is four
// words, the function of the key and of counter (b, stream). Element i of a stream is word i % 4 of block
// i / 4, so that any part can be made alone. Every backend makes the same words of a seed.
#pragma once

#include "kernel_types.h"
#include "shared/host_device.h"

namespace transfusion {

inline constexpr int kPhiloxRounds = 10;
inline constexpr uint32_t kPhiloxFactor0 = 0xd2511f53u, kPhiloxFactor1 = 0xcd9e8d57u;
// What each round adds to the key.
inline constexpr uint32_t kPhiloxKeyStep0 = 0x9e3779b9u, kPhiloxKeyStep1 = 0xbb67ae85u;

struct Seed {
  uint32_t key[2], stream[2];

  // Row `row` of seeds [N, 4].
  TRANSFUSION_HOST_DEVICE static Seed of(const void* seeds, i64 row) {
    const auto* words = static_cast<const uint32_t*>(seeds) + 4 * row;
    return {{words[0], words[1]}, {words[2], words[3]}};
  }
  static Seed of(const In& seeds, i64 row) { return of(seeds.data, row); }
};

struct PhiloxBlock {
  uint32_t words[4];
};

// Block `block` of a seed's stream; cpu/simd/random.h makes the same words, many blocks at a time.
TRANSFUSION_HOST_DEVICE inline PhiloxBlock philox_block(const Seed& seed, i64 block) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = seed.stream[0], c3 = seed.stream[1];
  uint32_t key0 = seed.key[0], key1 = seed.key[1];
#ifdef __CUDACC__
#pragma unroll
#endif
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const u64 product0 = u64{kPhiloxFactor0} * c0, product1 = u64{kPhiloxFactor1} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(product0);
    key0 += kPhiloxKeyStep0;
    key1 += kPhiloxKeyStep1;
  }
  return {{c0, c1, c2, c3}};
}

// One of 0 .. count - 1, drawn by block `block` of a seed's stream.
TRANSFUSION_HOST_DEVICE inline i32 drawn_index(const Seed& seed, i64 block, i64 count) {
  return static_cast<i32>(u64{philox_block(seed, block).words[0]} * static_cast<u64>(count) >> 32);
}

}  // namespace transfusion
