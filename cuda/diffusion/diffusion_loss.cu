// losses[i] = weight[i] mean((p - (target_x0[i] x0 + target_eps[i] eps))^2) over the elements of image i; p
// is the network's prediction, eps the noise that add_noise gave x0. Backward: dp = dlosses[i] weight[i] 2 (p
// - target) / (elements of image i). eps is made again from the seeds (device/philox.cuh), so nothing is
// kept. A block for a chunk of an image; an image's partial sums are joined in order.
#include "diffusion/image_chunks.h"
#ifdef __CUDACC__
#include "device/philox.cuh"
#include "device/reduce.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

struct DiffusionTargets {
  const void *prediction, *x0;
  const f32 *target_x0, *target_eps, *weight;
  const void* seeds;
  ImageChunks chunks;
  bool aligned;
};

struct DiffusionLossArguments {
  f32* partials;  // of each chunk
  DiffusionTargets targets;
};

struct JoinLossesArguments {
  f32* losses;
  const f32 *partials, *weight;
  ImageChunks chunks;
};

struct DiffusionLossBackwardArguments {
  void* dprediction;
  const f32* dlosses;
  DiffusionTargets targets;
};

constexpr int kJoinThreads = 128, kJoinedImages = kJoinThreads / 32;

#ifdef __CUDACC__

// Calls body(place, errors, left, vectors) for runs of p - target; of what is beyond `left` they are 0.
template <class T, class Body>
__device__ __forceinline__ void for_each_error(const DiffusionTargets& targets, const ImageChunk& chunk,
                                               const Body& body) {
  const float x0_coeff = chunk.of(targets.target_x0), eps_coeff = chunk.of(targets.target_eps);
  const ImageNoise noise(targets.seeds, chunk.image, eps_coeff != 0);
  for_each_run<T>(chunk, targets.aligned, [&](i64 i, i64 place, i64 left, bool vectors) {
    constexpr int kRun = Vector<T>::kSize;
    float errors[kRun], x0[kRun], eps[kRun];
    load_run(errors, static_cast<const T*>(targets.prediction) + place, left, vectors);
    load_run(x0, static_cast<const T*>(targets.x0) + place, left, vectors);
    noise.load(eps, i);
#pragma unroll
    for (int k = 0; k < kRun; ++k)
      errors[k] = k < left ? errors[k] - (x0_coeff * x0[k] + eps_coeff * eps[k]) : 0;
    body(place, errors, left, vectors);
  });
}

template <class T>
__device__ void diffusion_loss(const DiffusionLossArguments& arguments) {
  const ImageChunk chunk = chunk_of_block(arguments.targets.chunks);
  float squares = 0;
  for_each_error<T>(arguments.targets, chunk, [&](i64, const auto& errors, i64, bool) {
    for (const float error : errors) squares += error * error;
  });
  squares = reduce_block<kChunkThreads>(squares, Sum());
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = squares;
}

KERNEL(diffusion_loss_f32, DiffusionLossArguments, kChunkThreads) { diffusion_loss<f32>(arguments); }
KERNEL(diffusion_loss_bf16, DiffusionLossArguments, kChunkThreads) { diffusion_loss<bf16>(arguments); }

// A warp for an image.
KERNEL(join_losses, JoinLossesArguments, kJoinThreads) {
  const ImageChunks& chunks = arguments.chunks;
  const int lane = threadIdx.x % kWarp;
  const i64 image = static_cast<i64>(blockIdx.x) * kJoinedImages + threadIdx.x / kWarp;
  if (image >= chunks.images) return;
  if (chunks.first_chunk[0] < 0) {
    if (lane == 0) arguments.losses[image] = NAN;
    return;
  }
  float sum = 0;
  for (i64 chunk = chunks.first_chunk[image] + lane; chunk < chunks.first_chunk[image + 1]; chunk += kWarp)
    sum += arguments.partials[chunk];
  sum = reduce_warp(sum, Sum());
  const i64 elements = max(i64{1}, elements_of(chunks, image));
  if (lane == 0) arguments.losses[image] = arguments.weight[image] * (sum / static_cast<float>(elements));
}

template <class T>
__device__ void diffusion_loss_backward(const DiffusionLossBackwardArguments& arguments) {
  const DiffusionTargets& targets = arguments.targets;
  const ImageChunk chunk = chunk_of_block(targets.chunks);
  const i64 elements = chunk.image < 0 ? 1 : elements_of(targets.chunks, chunk.image);
  const float factor =
      chunk.of(arguments.dlosses) * chunk.of(targets.weight) * 2 / static_cast<float>(elements);
  for_each_error<T>(targets, chunk, [&](i64 place, auto& errors, i64 left, bool vectors) {
    for (float& error : errors) error *= factor;
    store_run(static_cast<T*>(arguments.dprediction) + place, errors, left, vectors);
  });
}

KERNEL(diffusion_loss_backward_f32, DiffusionLossBackwardArguments, kChunkThreads) {
  diffusion_loss_backward<f32>(arguments);
}
KERNEL(diffusion_loss_backward_bf16, DiffusionLossBackwardArguments, kChunkThreads) {
  diffusion_loss_backward<bf16>(arguments);
}

#else

FLOAT_KERNELS(loss_kernel, DiffusionLossArguments, "diffusion_loss", "diffusion_loss", kChunkThreads)
FLOAT_KERNELS(backward_kernel, DiffusionLossBackwardArguments, "diffusion_loss", "diffusion_loss_backward",
              kChunkThreads)
constexpr Kernel<JoinLossesArguments> join_losses_kernel("diffusion_loss", "join_losses", kJoinThreads);

Status diffusion_loss(Context& context, Out losses, In prediction, In x0, In image_rows, In target_x0,
                      In target_eps, In weight, In seeds) {
  ImageChunks chunks;
  Status status = cut_images(context, chunks, image_rows, prediction.rows(), prediction.dim(-1));
  if (status.failed) return status;
  f32* partials = context.scratch<f32>(chunks.most_count);
  const bool vectors = aligned({prediction.data, x0.data});
  status = launch(context, loss_kernel(prediction.dtype), {chunks.most_count},
                  {partials,
                   {prediction.data, x0.data, target_x0.as<f32>(), target_eps.as<f32>(), weight.as<f32>(),
                    seeds.data, chunks, vectors}});
  if (status.failed) return status;
  return launch(context, join_losses_kernel, {ceil_div(chunks.images, kJoinedImages)},
                {losses.as<f32>(), partials, weight.as<f32>(), chunks});
}

Status diffusion_loss_backward(Context& context, Out dprediction, In dlosses, In prediction, In x0,
                               In image_rows, In target_x0, In target_eps, In weight, In seeds) {
  ImageChunks chunks;
  const Status status = cut_images(context, chunks, image_rows, prediction.rows(), prediction.dim(-1));
  if (status.failed) return status;
  const bool vectors = aligned({dprediction.data, prediction.data, x0.data});
  return launch(context, backward_kernel(prediction.dtype), {chunks.most_count},
                {dprediction.data,
                 dlosses.as<f32>(),
                 {prediction.data, x0.data, target_x0.as<f32>(), target_eps.as<f32>(), weight.as<f32>(),
                  seeds.data, chunks, vectors}});
}

#endif

}  // namespace transfusion::cuda
