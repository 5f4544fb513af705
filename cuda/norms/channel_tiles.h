// Images [N, P, C] cut into tiles of positions and channels, a block for each. Its threads stand in a
// rectangle: side by side over the channels, a run of 16 bytes each, in rows over the positions. The cut
// depends on P and C alone, so that an image's results do not depend on those beside it.
#pragma once

#include "kernel.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#include "device/reduce.cuh"
#else
#include <algorithm>

#include "host/launch.h"
#endif

namespace transfusion::cuda {

inline constexpr int kTileThreads = 256;
// A warp joins what the tiles have found of a group of an image.
inline constexpr int kJoinThreads = 128, kJoinedGroups = kJoinThreads / 32;

struct ChannelTiles {
  i64 images, positions, channels, groups;
  i64 chunk_positions, chunks;  // of an image
  int width;                    // threads side by side: a power of two
  bool vectors;                 // runs may be read 16 bytes at a time
};

#ifdef __CUDACC__

// What a thread of a block works on: kRun channels from `channel` on, of which there may be none, of every
// row_step-th position.
template <class T>
struct ChannelRun {
  static constexpr int kRun = Vector<T>::kSize;
  i64 image, chunk;       // the chunk of all images'
  i64 first, begin, end;  // positions: of the chunk, and this thread's
  i64 step;
  i64 channel, left;

  __device__ __forceinline__ explicit ChannelRun(const ChannelTiles& tiles)
      : image(blockIdx.x / tiles.chunks),
        chunk(blockIdx.x),
        first((chunk - image * tiles.chunks) * tiles.chunk_positions),
        begin(first + threadIdx.x / tiles.width),
        end(min(tiles.positions, first + tiles.chunk_positions)),
        step(kTileThreads / tiles.width),
        channel((static_cast<i64>(blockIdx.y) * tiles.width + threadIdx.x % tiles.width) * kRun),
        left(tiles.channels - channel) {}

  // body(element) for each position: where in [N, P, C] the run lies.
  template <class Body>
  __device__ __forceinline__ void for_each(const ChannelTiles& tiles, const Body& body) const {
    if (left <= 0) return;
    const i64 image_begin = image * tiles.positions;
#pragma unroll 2
    for (i64 position = begin; position < end; position += step)
      body((image_begin + position) * tiles.channels + channel);
  }
};

// Of a tensor [images, groups] the values for the channels of a run.
template <class T>
__device__ __forceinline__ void load_of_groups(float (&values)[ChannelRun<T>::kRun], const f32* of_groups,
                                               const ChannelRun<T>& run, const ChannelTiles& tiles) {
  const unsigned channels = static_cast<unsigned>(tiles.channels / tiles.groups);
#pragma unroll
  for (int i = 0; i < run.kRun; ++i) {
    const unsigned group = static_cast<unsigned>(run.channel + i) / channels;
    values[i] = i < run.left ? of_groups[run.image * tiles.groups + group] : 0;
  }
}

// The group of this thread's warp, which may be beyond the last. Its lanes stand in a rectangle too: over the
// channels of the group, in rows over the chunks.
struct JoinedGroup {
  i64 index, image, begin, channels;  // index: image groups + group; begin: its first channel
  int width, column, row;

  __device__ __forceinline__ explicit JoinedGroup(const ChannelTiles& tiles)
      : index(static_cast<i64>(blockIdx.x) * kJoinedGroups + threadIdx.x / kWarp),
        image(index / tiles.groups),
        channels(tiles.channels / tiles.groups),
        width(1) {
    begin = (index - image * tiles.groups) * channels;
    while (width < kWarp && width < channels) width *= 2;
    column = threadIdx.x % kWarp % width;
    row = threadIdx.x % kWarp / width;
  }

  // body(place, chunk) for the lane's chunks of a channel of the group: where in [images, chunks, channels].
  template <class Body>
  __device__ __forceinline__ void for_each_chunk(const ChannelTiles& tiles, i64 channel,
                                                 const Body& body) const {
#pragma unroll 4
    for (i64 chunk = row; chunk < tiles.chunks; chunk += kWarp / width)
      body((image * tiles.chunks + chunk) * tiles.channels + begin + channel, chunk);
  }
};

#else

inline ChannelTiles channel_tiles(const TensorView& x, i64 groups, bool vectors) {
  constexpr i64 kPositionsOfThread = 16;
  const i64 run = 16 / static_cast<i64>(dtype_size(x.dtype)), N = x.dim(0), C = x.dim(-1);
  ChannelTiles tiles{N, N > 0 ? x.rows() / N : 0, C, groups, 0, 0, 1, vectors};
  while (tiles.width < 32 && tiles.width * run < C) tiles.width *= 2;
  tiles.chunk_positions = kPositionsOfThread * kTileThreads / tiles.width;
  tiles.chunks = ceil_div(tiles.positions, tiles.chunk_positions);
  return tiles;
}

inline i64 join_blocks(const ChannelTiles& tiles) {
  return ceil_div(tiles.images * tiles.groups, kJoinedGroups);
}

inline Grid grid_of(const ChannelTiles& tiles, DType dtype) {
  const i64 tile_channels = tiles.width * 16 / static_cast<i64>(dtype_size(dtype));
  return {tiles.images * tiles.chunks, ceil_div(tiles.channels, tile_channels)};
}

#endif

}  // namespace transfusion::cuda
