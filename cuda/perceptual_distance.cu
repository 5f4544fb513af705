// losses[n] = mean over positions of sum_c w_c d_c^2,  d = a / (|a| + eps) - b / (|b| + eps), lengths over
// the channels of a position.  Backward, with u = a / (|a| + eps), e_c = dlosses[n] / positions 2 w_c d_c:
// da = (e - a / |a| sum_c e_c u_c) / (|a| + eps), and 0 where |a| is 0.
// A block for a chunk of an image's positions, one after the other by each of its warps, or by all of them;
// the chunks' sums are joined in order. Nothing else is kept.
#include "kernel.h"
#include "row_threads.h"
#ifdef __CUDACC__
#include "device/row_tile.cuh"
#else
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

// Positions that a block has.
constexpr i64 kChunk = 32;
constexpr int kJoinThreads = 128, kJoinedImages = kJoinThreads / 32;

struct Features {
  const void *a, *b;
  const f32* weight;
  i64 images, positions, channels;
  bool vectors;
};

struct PerceptualDistanceArguments {
  f32* partials;  // [images, chunks]
  i64 chunks;
  Features features;
};

struct JoinDistancesArguments {
  f32* losses;
  const f32* partials;
  i64 images, chunks, positions;
};

struct PerceptualDistanceBackwardArguments {
  void* da;
  const f32* dlosses;
  Features features;
};

#ifdef __CUDACC__

// As lpips has it.
constexpr float kEps = 1e-10f;

// Position after position of both: the tile that is loaded, and what its channels are multiplied by. The
// weight of rows of one tile is loaded once.
template <class T, class Rows>
struct Comparison {
  using Tile = RowTile<T, Rows>;
  const Features& features;
  i64 offset = 0;  // of the position's first channel
  Tile a, b;
  float weight[Tile::kRuns][Tile::kRun];
  float length = 0, a_factor = 0, b_factor = 0;

  __device__ __forceinline__ explicit Comparison(const Features& features) : features(features) {
    load_weight(0);
  }

  __device__ __forceinline__ i64 last() const { return last_tile<Rows>(features.channels); }

  // Leaves the position's last tile loaded.
  __device__ __forceinline__ void begin(i64 position) {
    offset = position * features.channels;
    float squares[2] = {};
    for (i64 first = 0; first <= last(); first += Rows::kColumns) {
      load(first);
      Tile::for_each([&](int run, int i) {
        squares[0] += a.values[run][i] * a.values[run][i];
        squares[1] += b.values[run][i] * b.values[run][i];
      });
    }
    reduce_row<Rows>(squares, Sum());
    length = sqrtf(squares[0]);
    a_factor = 1 / (length + kEps);
    b_factor = 1 / (sqrtf(squares[1]) + kEps);
  }

  __device__ __forceinline__ void load(i64 first) {
    a.load(static_cast<const T*>(features.a) + offset, first, features.channels, features.vectors);
    b.load(static_cast<const T*>(features.b) + offset, first, features.channels, features.vectors);
  }

  // Of the tile that is loaded, before its weights are used.
  __device__ __forceinline__ void weigh(i64 first) {
    if (last() != 0) load_weight(first);
  }

  // u of a channel of the tile that is loaded, and d. Not as a fused multiplication and subtraction: equal
  // features are at a distance of 0.
  __device__ __forceinline__ float unit(int run, int i) const {
    return __fmul_rn(a.values[run][i], a_factor);
  }
  __device__ __forceinline__ float difference(int run, int i) const {
    return unit(run, i) - __fmul_rn(b.values[run][i], b_factor);
  }

 private:
  __device__ __forceinline__ void load_weight(i64 first) {
#pragma unroll
    for (int run = 0; run < Tile::kRuns; ++run) {
      const i64 begin = first + Tile::column(run);
      load_run(weight[run], features.weight + begin, features.channels - begin, features.vectors);
    }
  }
};

template <class T, class Rows>
__device__ void perceptual_distance(const PerceptualDistanceArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const Features& features = arguments.features;
  const i64 image = blockIdx.x / arguments.chunks, chunk = blockIdx.x % arguments.chunks;
  const i64 end = min(features.positions, (chunk + 1) * kChunk);
  Comparison<T, Rows> comparison(features);
  const i64 last = comparison.last();
  float sum = 0;
  for (i64 t = chunk * kChunk + threadIdx.x / Rows::kThreads; t < end; t += Rows::kBlockRows) {
    comparison.begin(image * features.positions + t);
    // From the last tile, which is still held, to the first.
    for (i64 first = last; first >= 0; first -= Rows::kColumns) {
      if (first != last) comparison.load(first);
      comparison.weigh(first);
      Tile::for_each([&](int run, int i) {
        const float d = comparison.difference(run, i);
        sum += comparison.weight[run][i] * d * d;
      });
    }
  }
  sum = reduce_block<Rows::kBlock>(sum, Sum());
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = sum;
}

// A warp for an image.
KERNEL(join_distances, JoinDistancesArguments, kJoinThreads) {
  const int lane = threadIdx.x % kWarp;
  const i64 image = static_cast<i64>(blockIdx.x) * kJoinedImages + threadIdx.x / kWarp;
  if (image >= arguments.images) return;
  float sum = 0;
  for (i64 chunk = lane; chunk < arguments.chunks; chunk += kWarp)
    sum += arguments.partials[image * arguments.chunks + chunk];
  sum = reduce_warp(sum, Sum());
  if (lane == 0) arguments.losses[image] = sum / static_cast<float>(max(i64{1}, arguments.positions));
}

template <class T, class Rows>
__device__ void perceptual_distance_backward(const PerceptualDistanceBackwardArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const Features& features = arguments.features;
  const i64 begin = static_cast<i64>(blockIdx.x) * kChunk,
            end = min(features.images * features.positions, begin + kChunk);
  Comparison<T, Rows> comparison(features);
  const i64 last = comparison.last();
  for (i64 row = begin + threadIdx.x / Rows::kThreads; row < end; row += Rows::kBlockRows) {
    const float factor =
        2 * arguments.dlosses[row / features.positions] / static_cast<float>(features.positions);
    comparison.begin(row);
    const float length = comparison.length, inverse = comparison.a_factor;
    const auto slope = [&](int run, int i) {
      return comparison.weight[run][i] * factor * comparison.difference(run, i);
    };
    float along = 0;
    for (i64 first = 0; first <= last; first += Rows::kColumns) {
      if (last != 0) comparison.load(first);
      comparison.weigh(first);
      Tile::for_each([&](int run, int i) { along += slope(run, i) * comparison.unit(run, i); });
    }
    along = reduce_row<Rows>(along, Sum()) / length;
    for (i64 first = last; first >= 0; first -= Rows::kColumns) {
      if (first != last) comparison.load(first);
      comparison.weigh(first);
      Tile::for_each([&](int run, int i) {
        float& a = comparison.a.values[run][i];
        const float gradient = inverse * (slope(run, i) - a * along);
        a = length == 0 ? 0 : gradient;
      });
      comparison.a.store(static_cast<T*>(arguments.da) + comparison.offset, first, features.channels,
                         features.vectors);
    }
  }
}

ROW_KERNELS(perceptual_distance, PerceptualDistanceArguments)
ROW_KERNELS(perceptual_distance_backward, PerceptualDistanceBackwardArguments)

#else

ROW_KERNELS(forward, PerceptualDistanceArguments, "perceptual_distance", "perceptual_distance")
ROW_KERNELS(backward, PerceptualDistanceBackwardArguments, "perceptual_distance",
            "perceptual_distance_backward")
constexpr Kernel<JoinDistancesArguments> join_distances_kernel("perceptual_distance", "join_distances",
                                                               kJoinThreads);

namespace {

Features features_of(const In& a, const In& b, const In& weight, const void* da) {
  const i64 C = a.dim(3);
  return {a.data,
          b.data,
          weight.as<f32>(),
          a.dim(0),
          a.dim(1) * a.dim(2),
          C,
          aligned_rows({a.data, b.data, weight.data, da}, C, a.dtype)};
}

}  // namespace

Status perceptual_distance(Context& context, Out losses, In a, In b, In weight) {
  const Features features = features_of(a, b, weight, nullptr);
  const i64 chunks = ceil_div(features.positions, kChunk);
  f32* partials = context.scratch<f32>(features.images * chunks);
  const Status status = launch(context, forward(a.dtype, features.channels), {features.images * chunks},
                               {partials, chunks, features});
  if (status.failed) return status;
  return launch(context, join_distances_kernel, {ceil_div(features.images, kJoinedImages)},
                {losses.as<f32>(), partials, features.images, chunks, features.positions});
}

Status perceptual_distance_backward(Context& context, Out da, In dlosses, In a, In b, In weight) {
  const Features features = features_of(a, b, weight, da.data);
  return launch(context, backward(a.dtype, features.channels), {ceil_div(a.rows(), kChunk)},
                {da.data, dlosses.as<f32>(), features});
}

#endif

}  // namespace transfusion::cuda
