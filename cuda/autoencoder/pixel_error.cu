// losses[n] = mean of |y - x|, or of (y - x)^2, over the values of image n.  Backward: dy = dlosses[n] /
// (values of an image) times sign(y - x), 0 where they are equal, or 2 (y - x).
// A block for a chunk of an image; an image's partial sums are joined in order. Kept for backward: y, x.
#include "autoencoder/images.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#include "device/reduce.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

struct PixelErrorArguments {
  f32* partials;  // of each chunk
  const void *y, *x;
  EqualImages images;
  bool squared, vectors;
};

struct PixelErrorBackwardArguments {
  void* dy;
  const f32* dlosses;
  const void *y, *x;
  EqualImages images;
  f32 share;  // of a value in the mean
  bool squared, vectors;
};

#ifdef __CUDACC__

// y - x; 0 beyond what is left.
template <class T>
__device__ __forceinline__ void load_errors(float (&errors)[Vector<T>::kSize], const void* y, const void* x,
                                            i64 place, i64 left, bool vectors) {
  float targets[Vector<T>::kSize];
  load_run(errors, static_cast<const T*>(y) + place, left, vectors);
  load_run(targets, static_cast<const T*>(x) + place, left, vectors);
#pragma unroll
  for (int k = 0; k < Vector<T>::kSize; ++k) errors[k] -= targets[k];
}

template <class T>
__device__ void pixel_error(const PixelErrorArguments& arguments) {
  const ChunkOfImage chunk = chunk_of_block(arguments.images);
  float sum = 0;
  for_each_run<Vector<T>::kSize>(chunk, [&](i64 i, i64 left) {
    float errors[Vector<T>::kSize];
    load_errors<T>(errors, arguments.y, arguments.x, chunk.offset + i, left, arguments.vectors);
    for (const float error : errors) sum += arguments.squared ? error * error : fabsf(error);
  });
  sum = reduce_block<kImageThreads>(sum, Sum());
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = sum;
}

KERNEL(pixel_error_f32, PixelErrorArguments, kImageThreads) { pixel_error<f32>(arguments); }
KERNEL(pixel_error_bf16, PixelErrorArguments, kImageThreads) { pixel_error<bf16>(arguments); }

// The sign of an error, 0 of one that is 0; a NaN stays a NaN.
__device__ __forceinline__ float sign(float error) { return error > 0 ? 1.0f : error < 0 ? -1.0f : error; }

template <class T>
__device__ void pixel_error_backward(const PixelErrorBackwardArguments& arguments) {
  const ChunkOfImage chunk = chunk_of_block(arguments.images);
  const float factor = arguments.share * arguments.dlosses[chunk.image];
  for_each_run<Vector<T>::kSize>(chunk, [&](i64 i, i64 left) {
    float errors[Vector<T>::kSize];
    load_errors<T>(errors, arguments.y, arguments.x, chunk.offset + i, left, arguments.vectors);
#pragma unroll
    for (float& error : errors) error = factor * (arguments.squared ? error : sign(error));
    store_run(static_cast<T*>(arguments.dy) + chunk.offset + i, errors, left, arguments.vectors);
  });
}

KERNEL(pixel_error_backward_f32, PixelErrorBackwardArguments, kImageThreads) {
  pixel_error_backward<f32>(arguments);
}
KERNEL(pixel_error_backward_bf16, PixelErrorBackwardArguments, kImageThreads) {
  pixel_error_backward<bf16>(arguments);
}

#else

FLOAT_KERNELS(error_kernel, PixelErrorArguments, "pixel_error", "pixel_error", kImageThreads)
FLOAT_KERNELS(backward_kernel, PixelErrorBackwardArguments, "pixel_error", "pixel_error_backward",
              kImageThreads)

static EqualImages images_of(const TensorView& y) {
  return {y.dim(0), y.dim(0) == 0 ? 0 : y.elements() / y.dim(0)};
}

// The mean of an image without values is 0.
static f32 share_of_value(const EqualImages& images) {
  return 1 / static_cast<f32>(std::max<i64>(1, images.values));
}

// Whether all images begin at whole vectors.
static bool in_vectors(const EqualImages& images, DType dtype, std::initializer_list<const void*> tensors) {
  return aligned(tensors) && images.values % vector_size(dtype) == 0;
}

Status pixel_error(Context& context, Out losses, In y, In x, bool squared) {
  const EqualImages images = images_of(y);
  f32* partials = context.scratch<f32>(images.all_chunks());
  const Status status =
      launch(context, error_kernel(y.dtype), {images.all_chunks()},
             {partials, y.data, x.data, images, squared, in_vectors(images, y.dtype, {y.data, x.data})});
  if (status.failed) return status;
  return join_image_sums(context, losses.as<f32>(), partials, images, share_of_value(images));
}

Status pixel_error_backward(Context& context, Out dy, In dlosses, In y, In x, bool squared) {
  const EqualImages images = images_of(y);
  return launch(
      context, backward_kernel(y.dtype), {images.all_chunks()},
      {dy.data, dlosses.as<f32>(), y.data, x.data, images, share_of_value(images) * (squared ? 2.0f : 1.0f),
       squared, in_vectors(images, y.dtype, {dy.data, y.data, x.data})});
}

#endif

}  // namespace transfusion::cuda
