#pragma once

#include <cstdint>

namespace simulated {

constexpr int kTileThreads = 128;
constexpr int kTile = 64;  // rows and columns of the product

// c [kTile, kTile] = a [kTile, inner] b [inner, kTile] in bf16, c in f32; inner is a multiple of 32.
struct ProductArguments {
  uint16_t* a;
  const uint16_t* b;
  float* c;
  int inner;
};

}  // namespace simulated
