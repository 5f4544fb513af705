// y[p, c] = f(h),  h = n weight[c] + bias[c],  n = (x[p, c] - mean) rstd,  f silu or nothing, with mean and
// rstd = 1 / sqrt(variance + eps) over all positions p of one image and the channels of c's group.
// A block for a tile of an image: moments of its channels, which a warp joins to those of a group in f64,
// then the result. Kept for backward (group_norm_backward.cu): mean, rstd.
#include "norms/channel_tiles.h"
#ifdef __CUDACC__
#include "device/activation.cuh"
#include "device/reduce.cuh"
#include "device/thread_rectangle.cuh"
#else
#include "cuda_kernels.h"
#include "row_threads.h"
#endif

namespace transfusion::cuda {

struct ChannelMomentsArguments {
  f32 *means, *squares;  // [images, chunks, channels]: of a chunk, and of the distances from that mean
  const void* x;
  ChannelTiles tiles;
};

struct GroupMomentsArguments {
  f32 *mean, *rstd;
  const f32 *means, *squares;
  ChannelTiles tiles;
  f32 eps;
};

struct GroupNormArguments {
  void* y;
  const void *x, *weight, *bias;
  const f32 *mean, *rstd;
  ChannelTiles tiles;
  bool silu;
};

#ifdef __CUDACC__

template <class T>
__device__ void channel_moments(const ChannelMomentsArguments& arguments) {
  const ChannelTiles& tiles = arguments.tiles;
  const ChannelRun<T> run(tiles);
  constexpr int kRun = run.kRun;
  const T* x = static_cast<const T*>(arguments.x);
  // Sums of distances from the chunk's first position, and of their squares: few digits are lost, because
  // that is one of the values.
  float shift[kRun], sums[2 * kRun] = {};
  load_run(shift, x + (run.image * tiles.positions + run.first) * tiles.channels + run.channel, run.left,
           tiles.vectors);
  run.for_each(tiles, [&](i64 element) {
    float values[kRun];
    load_run(values, x + element, run.left, tiles.vectors);
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float distance = values[i] - shift[i];
      sums[i] += distance;
      sums[kRun + i] += distance * distance;
    }
  });
  join_thread_rows<kTileThreads>(sums, tiles.width);
  if (threadIdx.x >= tiles.width || run.left <= 0) return;
  const float count = static_cast<float>(run.end - run.first);
  float means[kRun], squares[kRun];
#pragma unroll
  for (int i = 0; i < kRun; ++i) {
    const float distance = sums[i] / count;
    means[i] = shift[i] + distance;
    const float rest = sums[kRun + i] - sums[i] * distance;
    squares[i] = rest < 0 ? 0 : rest;
  }
  const i64 place = run.chunk * tiles.channels + run.channel;
  store_run(arguments.means + place, means, run.left, tiles.vectors);
  store_run(arguments.squares + place, squares, run.left, tiles.vectors);
}

KERNEL(channel_moments_f32, ChannelMomentsArguments, kTileThreads) { channel_moments<f32>(arguments); }
KERNEL(channel_moments_bf16, ChannelMomentsArguments, kTileThreads) { channel_moments<bf16>(arguments); }

// A warp for a group of an image.
KERNEL(group_moments, GroupMomentsArguments, kJoinThreads) {
  const ChannelTiles& tiles = arguments.tiles;
  const JoinedGroup group(tiles);
  if (group.index >= tiles.images * tiles.groups) return;
  const double count = static_cast<double>(max(i64{1}, tiles.positions * group.channels));
  // body(place, number of positions) for each channel of each chunk.
  const auto for_each = [&](const auto& body) {
    for (i64 channel = group.column; channel < group.channels; channel += group.width)
      group.for_each_chunk(tiles, channel, [&](i64 place, i64 chunk) {
        const i64 left = tiles.positions - chunk * tiles.chunk_positions;
        body(place, static_cast<double>(min(tiles.chunk_positions, left)));
      });
  };
  double sum = 0;
  for_each([&](i64 place, double positions) { sum += positions * arguments.means[place]; });
  const double mean = reduce_warp(sum, Sum()) / count;
  double squares = 0;
  for_each([&](i64 place, double positions) {
    const double distance = arguments.means[place] - mean;
    squares += arguments.squares[place] + positions * distance * distance;
  });
  squares = reduce_warp(squares, Sum());
  if (threadIdx.x % kWarp > 0) return;
  arguments.mean[group.index] = static_cast<float>(mean);
  arguments.rstd[group.index] = static_cast<float>(1 / sqrt(squares / count + arguments.eps));
}

template <class T>
__device__ void group_norm(const GroupNormArguments& arguments) {
  const ChannelTiles& tiles = arguments.tiles;
  const ChannelRun<T> run(tiles);
  constexpr int kRun = run.kRun;
  float mean[kRun], factor[kRun], bias[kRun];
  load_run(factor, static_cast<const T*>(arguments.weight) + run.channel, run.left, tiles.vectors);
  load_run(bias, static_cast<const T*>(arguments.bias) + run.channel, run.left, tiles.vectors);
  float rstd[kRun];
  load_of_groups(mean, arguments.mean, run, tiles);
  load_of_groups(rstd, arguments.rstd, run, tiles);
#pragma unroll
  for (int i = 0; i < kRun; ++i) factor[i] *= rstd[i];
  run.for_each(tiles, [&](i64 element) {
    float values[kRun];
    load_run(values, static_cast<const T*>(arguments.x) + element, run.left, tiles.vectors);
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float h = (values[i] - mean[i]) * factor[i] + bias[i];
      values[i] = arguments.silu ? h * sigmoid(h) : h;
    }
    store_run(static_cast<T*>(arguments.y) + element, values, run.left, tiles.vectors);
  });
}

KERNEL(group_norm_f32, GroupNormArguments, kTileThreads) { group_norm<f32>(arguments); }
KERNEL(group_norm_bf16, GroupNormArguments, kTileThreads) { group_norm<bf16>(arguments); }

#else

FLOAT_KERNELS(channel_moments, ChannelMomentsArguments, "group_norm", "channel_moments", kTileThreads)
constexpr Kernel<GroupMomentsArguments> group_moments("group_norm", "group_moments", kJoinThreads);
FLOAT_KERNELS(group_norm_kernel, GroupNormArguments, "group_norm", "group_norm", kTileThreads)

Status group_norm(Context &context, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  const bool vectors = aligned_rows({y.data, x.data, weight.data, bias.data}, x.dim(-1), x.dtype);
  const ChannelTiles tiles = channel_tiles(x, mean.dim(1), vectors);
  const Grid grid = grid_of(tiles, x.dtype);
  const i64 moments = tiles.images * tiles.chunks * tiles.channels;
  f32 *means = context.scratch<f32>(moments), *squares = context.scratch<f32>(moments);
  Status status = launch(context, channel_moments(x.dtype), grid, {means, squares, x.data, tiles});
  if (!status.failed)
    status = launch(context, group_moments, {join_blocks(tiles)},
                    {mean.as<f32>(), rstd.as<f32>(), means, squares, tiles, eps});
  if (status.failed) return status;
  return launch(context, group_norm_kernel(x.dtype), grid,
                {y.data, x.data, weight.data, bias.data, mean.as<f32>(), rstd.as<f32>(), tiles, silu});
}

#endif

}  // namespace transfusion::cuda
