// normal: y = scale eps.  add_noise: xt = alpha[i] x0 + sigma[i] eps, the forward diffusion of image i.
// eps is a stream of standard normals for each image, a function of its seed and of the element's place in
// the image alone (device/philox.cuh): nothing needs to be kept. A block for a chunk of an image.
#include "diffusion/image_chunks.h"
#ifdef __CUDACC__
#include "device/philox.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

struct NormalArguments {
  void* y;
  ImageChunks chunks;
  const void* seeds;
  f32 scale;
  bool aligned;
};

struct AddNoiseArguments {
  void* xt;
  const void* x0;
  ImageChunks chunks;
  const f32 *alpha, *sigma;
  const void* seeds;
  bool aligned;
};

#ifdef __CUDACC__

template <class T>
__device__ void normal(const NormalArguments& arguments) {
  const ImageChunk chunk = chunk_of_block(arguments.chunks);
  const float scale = chunk.image < 0 ? NAN : arguments.scale;
  const ImageNoise noise(arguments.seeds, chunk.image, true);
  for_each_run<T>(chunk, arguments.aligned, [&](i64 i, i64 place, i64 left, bool vectors) {
    float values[Vector<T>::kSize];
    noise.load(values, i);
    for (float& value : values) value *= scale;
    store_run(static_cast<T*>(arguments.y) + place, values, left, vectors);
  });
}

template <class T>
__device__ void add_noise(const AddNoiseArguments& arguments) {
  const ImageChunk chunk = chunk_of_block(arguments.chunks);
  const float alpha = chunk.of(arguments.alpha), sigma = chunk.of(arguments.sigma);
  const ImageNoise noise(arguments.seeds, chunk.image, sigma != 0);
  for_each_run<T>(chunk, arguments.aligned, [&](i64 i, i64 place, i64 left, bool vectors) {
    constexpr int kRun = Vector<T>::kSize;
    float values[kRun], eps[kRun];
    load_run(values, static_cast<const T*>(arguments.x0) + place, left, vectors);
    noise.load(eps, i);
#pragma unroll
    for (int k = 0; k < kRun; ++k) values[k] = alpha * values[k] + sigma * eps[k];
    store_run(static_cast<T*>(arguments.xt) + place, values, left, vectors);
  });
}

KERNEL(normal_f32, NormalArguments, kChunkThreads) { normal<f32>(arguments); }
KERNEL(normal_bf16, NormalArguments, kChunkThreads) { normal<bf16>(arguments); }
KERNEL(add_noise_f32, AddNoiseArguments, kChunkThreads) { add_noise<f32>(arguments); }
KERNEL(add_noise_bf16, AddNoiseArguments, kChunkThreads) { add_noise<bf16>(arguments); }

#else

FLOAT_KERNELS(normal_kernel, NormalArguments, "noise", "normal", kChunkThreads)
FLOAT_KERNELS(add_noise_kernel, AddNoiseArguments, "noise", "add_noise", kChunkThreads)

Status normal(Context& context, Out y, In image_rows, In seeds, f32 scale) {
  ImageChunks chunks;
  const Status status = cut_images(context, chunks, image_rows, y.rows(), y.dim(-1));
  if (status.failed) return status;
  return launch(context, normal_kernel(y.dtype), {chunks.most_count},
                {y.data, chunks, seeds.data, scale, aligned({y.data})});
}

Status add_noise(Context& context, Out xt, In x0, In image_rows, In alpha, In sigma, In seeds) {
  ImageChunks chunks;
  const Status status = cut_images(context, chunks, image_rows, x0.rows(), x0.dim(-1));
  if (status.failed) return status;
  return launch(
      context, add_noise_kernel(x0.dtype), {chunks.most_count},
      {xt.data, x0.data, chunks, alpha.as<f32>(), sigma.as<f32>(), seeds.data, aligned({xt.data, x0.data})});
}

#endif

}  // namespace transfusion::cuda
