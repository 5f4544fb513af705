// Joins the partial sums of images: see images.h. A warp for an image.
#include "autoencoder/images.h"
#ifdef __CUDACC__
#include "device/reduce.cuh"
#else
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 128, kImages = kThreads / 32;

struct ImageSumsArguments {
  f32* sums;
  const f32* partials;
  i64 images, chunks;
  f32 scale;
};

#ifdef __CUDACC__

KERNEL(image_sums, ImageSumsArguments, kThreads) {
  const int lane = threadIdx.x % kWarp;
  const i64 image = static_cast<i64>(blockIdx.x) * kImages + threadIdx.x / kWarp;
  if (image >= arguments.images) return;
  float sum = 0;
  for (i64 chunk = lane; chunk < arguments.chunks; chunk += kWarp)
    sum += arguments.partials[image * arguments.chunks + chunk];
  sum = reduce_warp(sum, Sum());
  if (lane == 0) arguments.sums[image] = arguments.scale * sum;
}

#else

constexpr Kernel<ImageSumsArguments> image_sums_kernel("image_sums", "image_sums", kThreads);

Status join_image_sums(Context& context, f32* sums, const f32* partials, const EqualImages& images,
                       f32 scale) {
  return launch(context, image_sums_kernel, {ceil_div(images.images, kImages)},
                {sums, partials, images.images, images.chunks, scale});
}

#endif

}  // namespace transfusion::cuda
