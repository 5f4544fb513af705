// A tile of a product of f32 matrices, by multiply-adds of f32 alone: TF32 would lose 13 bits of each factor.
//
// A sum adds up K in order, whatever the tile.
#pragma once

#include "device/output.cuh"
#include "matmul/tile_shapes.h"

namespace transfusion::cuda {

// Gives the tiles of a dense operand in fours of consecutive elements, zeros beyond its ends.
struct DenseFloats {
  const float* data;
  i64 stride, k_end;
  int extent;
  bool k_major, aligned;

  __device__ __forceinline__ DenseFloats(const Operand& operand, bool k_major, bool aligned, int matrix,
                                         int extent, i64 k_end)
      : data(static_cast<const float*>(operand.data) + matrix * operand.batch_stride),
        stride(operand.stride),
        k_end(k_end),
        extent(extent),
        k_major(k_major),
        aligned(aligned) {}

  // From `at` of M or N and `k` on, along K where k_major.
  __device__ __forceinline__ Vector<f32> four(int at, i64 k) const {
    Vector<f32> vector{};
    const i64 rows = k_major ? extent - at : k_end - k, elements = k_major ? k_end - k : extent - at;
    if (rows <= 0 || elements <= 0) return vector;
    const float* source = data + (k_major ? at * stride + k : k * stride + at);
    if (aligned) return load_vector(source);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < elements) vector.elements[i] = source[i];
    return vector;
  }
};

// What one thread loads of an operand's tiles. In shared memory a tile is [kDepth, kExtent + 4]: with 4
// floats between rows, threads that store fours along K do so to different banks.
template <int kExtent, int kDepth, int kThreads>
struct SimtLoader {
  static constexpr int kStride = kExtent + 4;
  static constexpr int kFloats = kDepth * kStride;
  static constexpr int kCount = kExtent * kDepth / 4 / kThreads;

  Vector<f32> held[kCount];

  template <class Source>
  __device__ __forceinline__ void load(const Source& source, int begin, i64 k_begin) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int index = i * kThreads + static_cast<int>(threadIdx.x);
      held[i] = source.k_major
                    ? source.four(begin + index / (kDepth / 4), k_begin + index % (kDepth / 4) * 4)
                    : source.four(begin + index % (kExtent / 4) * 4, k_begin + index / (kExtent / 4));
    }
  }

  __device__ __forceinline__ void store(float* tile, bool k_major) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int index = i * kThreads + static_cast<int>(threadIdx.x);
      if (k_major) {
        float* column = tile + index % (kDepth / 4) * 4 * kStride + index / (kDepth / 4);
#pragma unroll
        for (int k = 0; k < 4; ++k) column[k * kStride] = held[i].elements[k];
      } else {
        store_vector(tile + index / (kExtent / 4) * kStride + index % (kExtent / 4) * 4, held[i]);
      }
    }
  }
};

// Of the 8 rows (or columns) of a thread 4 lie in the first half of the tile and 4 in the second: so a warp,
// 4 x 8 threads, reads 16 and 32 consecutive floats at a time.
template <class Tile>
struct ThreadPlace {
  int row, column;

  __device__ __forceinline__ ThreadPlace() {
    constexpr int kWarpsX = Tile::kN / 64;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    row = (warp / kWarpsX * 4 + lane / 8) * 4;
    column = (warp % kWarpsX * 8 + lane % 8) * 4;
  }
};

// The sources of a and b give fours of elements, as DenseFloats.
template <class Tile, class A, class B>
__device__ __forceinline__ void multiply_floats(const A& a_source, const B& b_source, const Output& output,
                                                const Partition& partition, const Place& place) {
  using ALoader = SimtLoader<Tile::kM, Tile::kDepth, Tile::kThreads>;
  using BLoader = SimtLoader<Tile::kN, Tile::kDepth, Tile::kThreads>;
  __shared__ __align__(16) float a_tiles[2][ALoader::kFloats], b_tiles[2][BLoader::kFloats];
  ALoader a_loader;
  BLoader b_loader;
  const ThreadPlace<Tile> thread;
  float sums[8][8] = {};

  const auto load = [&](i64 k) {
    a_loader.load(a_source, place.row, k);
    b_loader.load(b_source, place.column, k);
  };
  const auto store = [&](int buffer) {
    a_loader.store(a_tiles[buffer], a_source.k_major);
    b_loader.store(b_tiles[buffer], b_source.k_major);
  };
  load(place.k_begin);
  store(0);
  int buffer = 0;
  for (i64 k = place.k_begin; k < place.k_end; k += Tile::kDepth) {
    __syncthreads();
    const bool more = k + Tile::kDepth < place.k_end;
    if (more) load(k + Tile::kDepth);
#pragma unroll
    for (int depth = 0; depth < Tile::kDepth; ++depth) {
      float a[8], b[8];
      const float* a_row = a_tiles[buffer] + depth * ALoader::kStride + thread.row;
      const float* b_row = b_tiles[buffer] + depth * BLoader::kStride + thread.column;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Vector<f32> a_four = load_vector(a_row + half * Tile::kM / 2);
        const Vector<f32> b_four = load_vector(b_row + half * Tile::kN / 2);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          a[half * 4 + i] = a_four.elements[i];
          b[half * 4 + i] = b_four.elements[i];
        }
      }
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sums[i][j] += a[i] * b[j];
    }
    buffer ^= 1;
    if (more) store(buffer);
  }

#pragma unroll
  for (int i = 0; i < 8; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float four[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) four[j] = sums[i][half * 4 + j];
      store_sums<f32>(output, partition, place, place.row + i / 4 * (Tile::kM / 2) + thread.row + i % 4,
                      place.column + half * (Tile::kN / 2) + thread.column, four);
    }
}

}  // namespace transfusion::cuda
