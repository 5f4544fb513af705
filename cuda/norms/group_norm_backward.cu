// Of group_norm.cu, with dh = dy f'(h), g = dh weight and means over a group of an image:
//   dx = rstd (g - mean(g) - n mean(g n)),  dweight += sum dh n,  dbias += sum dh
// A block for a tile of an image: sums of dh n and dh over its positions, which a block joins to those of the
// image and to a group's means, then dx.
#include "norms/channel_tiles.h"
#ifdef __CUDACC__
#include "device/activation.cuh"
#include "device/reduce.cuh"
#include "device/thread_rectangle.cuh"
#else
#include "column_sums.h"
#include "cuda_kernels.h"
#include "row_threads.h"
#endif

namespace transfusion::cuda {

struct GroupNormInputs {
  const void *dy, *x, *weight, *bias;
  const f32 *mean, *rstd;
  ChannelTiles tiles;
  bool silu;
};

struct ChannelGradientsArguments {
  f32 *products, *sums;  // [images, chunks, channels]: of dh n and of dh
  GroupNormInputs inputs;
};

struct GroupGradientsArguments {
  f32 *products, *sums;        // [images, channels]
  f32 *mean_product, *mean_g;  // [images, groups]
  const f32 *chunk_products, *chunk_sums;
  const void* weight;
  ChannelTiles tiles;
};

struct GroupNormBackwardArguments {
  void* dx;
  const f32 *mean_product, *mean_g;
  GroupNormInputs inputs;
};

#ifdef __CUDACC__

// Calls body(element, n, dh) for the runs of a thread.
template <class T, class Body>
__device__ __forceinline__ void for_each_gradient(const GroupNormInputs& inputs, const ChannelRun<T>& run,
                                                  const float (&weight)[ChannelRun<T>::kRun],
                                                  const float (&rstd)[ChannelRun<T>::kRun],
                                                  const Body& body) {
  constexpr int kRun = ChannelRun<T>::kRun;
  const bool vectors = inputs.tiles.vectors, silu = inputs.silu;
  float mean[kRun], bias[kRun];
  load_of_groups(mean, inputs.mean, run, inputs.tiles);
  load_run(bias, static_cast<const T*>(inputs.bias) + run.channel, run.left, vectors);
  run.for_each(inputs.tiles, [&](i64 element) {
    float n[kRun], dh[kRun];
    load_run(n, static_cast<const T*>(inputs.x) + element, run.left, vectors);
    load_run(dh, static_cast<const T*>(inputs.dy) + element, run.left, vectors);
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      n[i] = (n[i] - mean[i]) * rstd[i];
      if (silu) {
        const float h = n[i] * weight[i] + bias[i];
        dh[i] *= silu_slope(h, sigmoid(h));
      }
    }
    body(element, n, dh);
  });
}

template <class T>
__device__ void channel_gradients(const ChannelGradientsArguments& arguments) {
  const GroupNormInputs& inputs = arguments.inputs;
  const ChannelTiles& tiles = inputs.tiles;
  const ChannelRun<T> run(tiles);
  constexpr int kRun = run.kRun;
  float weight[kRun], rstd[kRun], sums[2 * kRun] = {};
  load_run(weight, static_cast<const T*>(inputs.weight) + run.channel, run.left, tiles.vectors);
  load_of_groups(rstd, inputs.rstd, run, tiles);
  for_each_gradient(inputs, run, weight, rstd, [&](i64, const auto& n, const auto& dh) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      sums[i] += dh[i] * n[i];
      sums[kRun + i] += dh[i];
    }
  });
  join_thread_rows<kTileThreads>(sums, tiles.width);
  if (threadIdx.x >= tiles.width || run.left <= 0) return;
  const i64 place = run.chunk * tiles.channels + run.channel;
#pragma unroll
  for (int i = 0; i < kRun; ++i) {
    if (i >= run.left) continue;
    arguments.products[place + i] = sums[i];
    arguments.sums[place + i] = sums[kRun + i];
  }
}

KERNEL(channel_gradients_f32, ChannelGradientsArguments, kTileThreads) { channel_gradients<f32>(arguments); }
KERNEL(channel_gradients_bf16, ChannelGradientsArguments, kTileThreads) {
  channel_gradients<bf16>(arguments);
}

// A warp for a group of an image.
template <class T>
__device__ void group_gradients(const GroupGradientsArguments& arguments) {
  const ChannelTiles& tiles = arguments.tiles;
  const JoinedGroup group(tiles);
  if (group.index >= tiles.images * tiles.groups) return;
  float products = 0, sums = 0;  // of the group
  for (i64 first = 0; first < group.channels; first += group.width) {
    const i64 channel = first + group.column;
    float product = 0, sum = 0;
    if (channel < group.channels)
      group.for_each_chunk(tiles, channel, [&](i64 place, i64) {
        product += arguments.chunk_products[place];
        sum += arguments.chunk_sums[place];
      });
    for (int distance = kWarp / 2; distance >= group.width; distance /= 2) {
      product += __shfl_xor_sync(~0u, product, distance);
      sum += __shfl_xor_sync(~0u, sum, distance);
    }
    if (group.row > 0 || channel >= group.channels) continue;
    const i64 place = group.image * tiles.channels + group.begin + channel;
    arguments.products[place] = product;
    arguments.sums[place] = sum;
    const float weight = to_float(static_cast<const T*>(arguments.weight)[group.begin + channel]);
    products += weight * product;
    sums += weight * sum;
  }
  products = reduce_warp(products, Sum());
  sums = reduce_warp(sums, Sum());
  if (threadIdx.x % kWarp > 0) return;
  const float count = static_cast<float>(tiles.positions * group.channels);
  arguments.mean_product[group.index] = products / count;
  arguments.mean_g[group.index] = sums / count;
}

KERNEL(group_gradients_f32, GroupGradientsArguments, kJoinThreads) { group_gradients<f32>(arguments); }
KERNEL(group_gradients_bf16, GroupGradientsArguments, kJoinThreads) { group_gradients<bf16>(arguments); }

template <class T>
__device__ void group_norm_backward(const GroupNormBackwardArguments& arguments) {
  const GroupNormInputs& inputs = arguments.inputs;
  const ChannelTiles& tiles = inputs.tiles;
  const ChannelRun<T> run(tiles);
  constexpr int kRun = run.kRun;
  float weight[kRun], rstd[kRun], mean_g[kRun], mean_product[kRun];
  load_run(weight, static_cast<const T*>(inputs.weight) + run.channel, run.left, tiles.vectors);
  load_of_groups(rstd, inputs.rstd, run, tiles);
  load_of_groups(mean_g, arguments.mean_g, run, tiles);
  load_of_groups(mean_product, arguments.mean_product, run, tiles);
  for_each_gradient(inputs, run, weight, rstd, [&](i64 element, const auto& n, auto& dh) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) dh[i] = rstd[i] * (dh[i] * weight[i] - mean_g[i] - n[i] * mean_product[i]);
    store_run(static_cast<T*>(arguments.dx) + element, dh, run.left, tiles.vectors);
  });
}

KERNEL(group_norm_backward_f32, GroupNormBackwardArguments, kTileThreads) {
  group_norm_backward<f32>(arguments);
}
KERNEL(group_norm_backward_bf16, GroupNormBackwardArguments, kTileThreads) {
  group_norm_backward<bf16>(arguments);
}

#else

FLOAT_KERNELS(channel_gradients, ChannelGradientsArguments, "group_norm_backward", "channel_gradients",
              kTileThreads)
FLOAT_KERNELS(group_gradients, GroupGradientsArguments, "group_norm_backward", "group_gradients",
              kJoinThreads)
FLOAT_KERNELS(backward_kernel, GroupNormBackwardArguments, "group_norm_backward", "group_norm_backward",
              kTileThreads)

Status group_norm_backward(Context &context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                           In mean, In rstd, bool silu) {
  const bool vectors = aligned_rows({dx.data, dy.data, x.data, weight.data, bias.data}, x.dim(-1), x.dtype);
  const ChannelTiles tiles = channel_tiles(x, mean.dim(1), vectors);
  const Grid grid = grid_of(tiles, x.dtype);
  const GroupNormInputs inputs{dy.data,        x.data,         weight.data, bias.data,
                               mean.as<f32>(), rstd.as<f32>(), tiles,       silu};
  const auto scratch = [&](i64 count) { return context.scratch<f32>(count); };
  const i64 N = tiles.images, C = tiles.channels;
  const ChannelGradientsArguments of_chunks{scratch(N * tiles.chunks * C), scratch(N * tiles.chunks * C),
                                            inputs};
  const GroupGradientsArguments of_images{scratch(N * C),
                                          scratch(N * C),
                                          scratch(N * tiles.groups),
                                          scratch(N * tiles.groups),
                                          of_chunks.products,
                                          of_chunks.sums,
                                          weight.data,
                                          tiles};
  Status status = launch(context, channel_gradients(x.dtype), grid, of_chunks);
  if (!status.failed) status = launch(context, group_gradients(x.dtype), {join_blocks(tiles)}, of_images);
  if (!status.failed)
    status = launch(context, backward_kernel(x.dtype), grid,
                    {dx.data, of_images.mean_product, of_images.mean_g, inputs});
  const auto add = [&](const Acc &target, const f32 *of_each) {
    if (!status.failed && target.present())
      status = add_column_sums(context, target.as<f32>(), of_each, DType::f32, N, C);
  };
  add(dweight, of_images.products);
  add(dbias, of_images.sums);
  return status;
}

#endif

}  // namespace transfusion::cuda
