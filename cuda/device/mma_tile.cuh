// A tile of a product of bf16 matrices on tensor cores, with sums in f32: mma.m16n8k16 from shared memory,
// which is filled by a pipeline of asynchronous copies.
//
// A sum adds up K in order, 16 at a time, whatever the tile: the choice of a tile changes no bit.
#pragma once

#include "device/output.cuh"
#include "device/tile_load.cuh"

namespace transfusion::cuda {

extern __shared__ __align__(128) char dynamic_shared[];

// Addresses, within a tile of kExtent, of the fragments of a warp: kCount of 16 rows of M or N by 16 of K.
// Each is four 8 x 8 matrices; lane i addresses row i % 8 of matrix i / 8. In registers matrices come in the
// order that mma wants: of a first along M, of b first along K.
template <int kExtent, bool kKMajor, int kCount, bool kIsA>
class Fragments {
  using Layout = TileLayout<kExtent, kKMajor>;

 public:
  // `begin`: of the warp, in M or N.
  __device__ __forceinline__ explicit Fragments(int begin) {
    const int lane = threadIdx.x % 32, first = lane >> 3 & 1, second = lane >> 4;
    const int along_extent = kIsA ? first : second, along_k = kIsA ? second : first;
    if constexpr (kKMajor) {
#pragma unroll
      for (int k = 0; k < kTileDepth / 16; ++k)
        offsets_[k] = Layout::offset(begin + along_extent * 8 + lane % 8, 2 * k + along_k);
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i)
        offsets_[i] = Layout::offset(along_k * 8 + lane % 8, begin / 8 + 2 * i + along_extent);
    }
  }

  // Those of 16 of K, from 16 k on.
  __device__ __forceinline__ void load(uint32_t (&fragments)[kCount][4], uint32_t tile, int k) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if constexpr (kKMajor)
        load_matrices(fragments[i], tile + offsets_[k] + i * 16 * Layout::kRowBytes);
      else
        load_matrices_transposed(fragments[i], tile + offsets_[i] + k * 16 * Layout::kRowBytes);
    }
  }

 private:
  int offsets_[kKMajor ? kTileDepth / 16 : kCount];
};

// A warp's part of the tile.
template <class Tile>
struct WarpSums {
  float sums[Tile::kWarpM / 16][Tile::kWarpN / 8][4] = {};

  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  static __device__ __forceinline__ int row() { return warp() / Tile::kWarpsN * Tile::kWarpM; }
  static __device__ __forceinline__ int column() { return warp() % Tile::kWarpsN * Tile::kWarpN; }

  __device__ __forceinline__ void multiply(const uint32_t (&a)[Tile::kWarpM / 16][4],
                                           const uint32_t (&b)[Tile::kWarpN / 16][4]) {
#pragma unroll
    for (int i = 0; i < Tile::kWarpM / 16; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kWarpN / 8; ++j)
        multiply_add(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
  }
};

// Tiles of K.
__device__ __forceinline__ int k_tiles(const Place& place) {
  return static_cast<int>((place.k_end - place.k_begin + kTileDepth - 1) / kTileDepth);
}

// The loaders give `tiles` tiles of K.
template <class Tile, bool kAKMajor, bool kBKMajor, class LoadA, class LoadB>
__device__ __forceinline__ void multiply_tiles(WarpSums<Tile>& sums, LoadA& load_a, LoadB& load_b,
                                               int tiles) {
  constexpr int kSteps = kTileDepth / 16, kAhead = Tile::kStages - 1;
  static_assert(kSteps == 2);
  const uint32_t shared = shared_address(dynamic_shared);
  const auto load = [&](int tile, uint32_t stage) {
    if (tile < tiles) {
      load_a.load(stage);
      load_b.load(stage + Tile::kABytes);
    }
    commit_copies();
  };
  const auto next = [&](uint32_t stage) {
    return stage == shared + kAhead * Tile::kStageBytes ? shared : stage + Tile::kStageBytes;
  };
#pragma unroll
  for (int tile = 0; tile < kAhead; ++tile) load(tile, shared + tile * Tile::kStageBytes);

  const Fragments<Tile::kM, kAKMajor, Tile::kWarpM / 16, true> a_fragments(sums.row());
  const Fragments<Tile::kN, kBKMajor, Tile::kWarpN / 16, false> b_fragments(sums.column());
  uint32_t a[2][Tile::kWarpM / 16][4], b[2][Tile::kWarpN / 16][4];
  const auto load_fragments = [&](uint32_t stage, int step) {
    a_fragments.load(a[step], stage, step);
    b_fragments.load(b[step], stage + Tile::kABytes, step);
  };
  // The next tile has come, and nobody reads the one before any more.
  const auto wait = [] {
    wait_for_copies<kAhead - 1>();
    __syncthreads();
  };

  uint32_t reading = shared, writing = shared + kAhead * Tile::kStageBytes;
  wait();
  if (tiles > 0) load_fragments(reading, 0);
  for (int tile = 0; tile < tiles; ++tile) {
    load_fragments(reading, 1);
    load(tile + kAhead, writing);
    sums.multiply(a[0], b[0]);
    reading = next(reading);
    writing = next(writing);
    wait();
    if (tile + 1 < tiles) load_fragments(reading, 0);
    sums.multiply(a[1], b[1]);
  }
}

// Reads a chunk of sums from shared memory. Of 8 lanes, which are served together, those of the second half
// begin with the last 4 floats where chunks have 8: else they would wait for the banks of the first half.
__device__ __forceinline__ void load_chunk(float (&sums)[4], const float* source, bool) {
  const Vector<f32> four = load_vector(source);
#pragma unroll
  for (int i = 0; i < 4; ++i) sums[i] = four.elements[i];
}
__device__ __forceinline__ void load_chunk(float (&sums)[8], const float* source, bool last_first) {
  const Vector<f32> first = load_vector(source + (last_first ? 4 : 0));
  const Vector<f32> second = load_vector(source + (last_first ? 0 : 4));
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sums[i] = last_first ? second.elements[i] : first.elements[i];
    sums[4 + i] = last_first ? first.elements[i] : second.elements[i];
  }
}

// Writes a warp's sums, 16 rows at a time by way of shared memory, where lanes find 16 bytes of y side by
// side, or single elements where rows of y are no whole runs of 16 bytes.
template <class T, class Tile>
__device__ __forceinline__ void store_warp_sums(const WarpSums<Tile>& warp, const Output& output,
                                                const Partition& partition, const Place& place) {
  constexpr int kSize = 16 / sizeof(T), kChunks = Tile::kWarpN / kSize;
  constexpr int kStride =
      Tile::kWarpN + 8;  // the pairs of 4 rows, as lanes write them, lie in different banks
  static_assert(16 * kStride * sizeof(float) * (Tile::kThreads / 32) <= Tile::kSharedBytes);
  float* patch = reinterpret_cast<float*>(dynamic_shared) + warp.warp() * 16 * kStride;
  const uint32_t writing = shared_address(patch);
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < Tile::kWarpM / 16; ++i) {
    __syncwarp();
#pragma unroll
    for (int j = 0; j < Tile::kWarpN / 8; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        store_shared_8(writing + ((half * 8 + lane / 4) * kStride + j * 8 + lane % 4 * 2) * 4,
                       warp.sums[i][j][2 * half], warp.sums[i][j][2 * half + 1]);
    __syncwarp();
    const int first_row = place.row + warp.row() + i * 16, first_column = place.column + warp.column();
    if (!output.vectors) {
#pragma unroll 4
      for (int at = lane; at < 16 * Tile::kWarpN; at += 32) {
        const int row = at / Tile::kWarpN, column = at % Tile::kWarpN;
        if (first_row + row < partition.m && first_column + column < partition.n)
          store_sum<T>(output, place, first_row + row, first_column + column, patch[row * kStride + column]);
      }
      continue;
    }
#pragma unroll 1
    for (int chunk = lane; chunk < 16 * kChunks; chunk += 32) {
      const int row = chunk / kChunks, column = chunk % kChunks * kSize;
      float sums[kSize];
      load_chunk(sums, patch + row * kStride + column, lane / 4 % 2 != 0);
      store_sums<T>(output, partition, place, first_row + row, first_column + column, sums);
    }
  }
}

template <class Tile>
__device__ __forceinline__ void store_tile(const WarpSums<Tile>& sums, const Output& output,
                                           const Partition& partition, const Place& place) {
  // Of copies none is left: the last groups are empty.
  __syncthreads();
  if (output.is_bf16)
    store_warp_sums<bf16>(sums, output, partition, place);
  else
    store_warp_sums<f32>(sums, output, partition, place);
}

}  // namespace transfusion::cuda
