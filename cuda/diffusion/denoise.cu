// One step of a sampler, for image i with the 7 coefficients[i]:
//   prediction = unconditional + guidance (conditional - unconditional)         classifier-free guidance
//   x0 = clip(from_x x + from_prediction prediction)                            the clean image
//   y  = x_coeff x + x0_coeff x0 + previous_x0_coeff previous_x0 + noise_coeff eps
// x is the noisy image x_t, y that of the next timestep, eps noise as in device/philox.cuh. A block for a
// chunk of an image.
#include "diffusion/image_chunks.h"
#ifdef __CUDACC__
#include "device/philox.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

// Of an image, as they lie in memory.
struct DenoiseCoefficients {
  f32 guidance, from_x, from_prediction;
  f32 x_coeff, x0_coeff, previous_x0_coeff, noise_coeff;
};

struct DenoiseArguments {
  void *y, *x0;
  const void *x, *conditional, *unconditional, *previous_x0;  // the last two may be null
  ImageChunks chunks;
  const DenoiseCoefficients* coefficients;
  const void* seeds;
  f32 clip_min, clip_max;
  bool aligned;
};

#ifdef __CUDACC__

// A NaN stays a NaN: clipped, it would be a pixel like any other.
__device__ __forceinline__ float clip(float x, float min, float max) {
  return isnan(x) ? x : fminf(fmaxf(x, min), max);
}

template <class T>
__device__ void denoise(const DenoiseArguments& arguments) {
  const ImageChunk chunk = chunk_of_block(arguments.chunks);
  const DenoiseCoefficients of_image = chunk.image < 0
                                           ? DenoiseCoefficients{NAN, NAN, NAN, NAN, NAN, NAN, NAN}
                                           : arguments.coefficients[chunk.image];
  const ImageNoise noise(arguments.seeds, chunk.image, of_image.noise_coeff != 0);
  for_each_run<T>(chunk, arguments.aligned, [&](i64 i, i64 place, i64 left, bool vectors) {
    constexpr int kRun = Vector<T>::kSize;
    const auto load = [&](float(&values)[kRun], const void* source) {
      load_run(values, static_cast<const T*>(source) + place, left, vectors);
    };
    float x[kRun], prediction[kRun], x0[kRun], next[kRun], other[kRun];
    load(x, arguments.x);
    load(prediction, arguments.conditional);
    if (arguments.unconditional) {
      load(other, arguments.unconditional);
#pragma unroll
      for (int k = 0; k < kRun; ++k)
        prediction[k] = of_image.guidance * (prediction[k] - other[k]) + other[k];
    }
    noise.load(next, i);
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      x0[k] = clip(of_image.from_x * x[k] + of_image.from_prediction * prediction[k], arguments.clip_min,
                   arguments.clip_max);
      next[k] = of_image.x_coeff * x[k] + (of_image.x0_coeff * x0[k] + of_image.noise_coeff * next[k]);
    }
    if (arguments.previous_x0) {
      load(other, arguments.previous_x0);
#pragma unroll
      for (int k = 0; k < kRun; ++k) next[k] += of_image.previous_x0_coeff * other[k];
    }
    store_run(static_cast<T*>(arguments.x0) + place, x0, left, vectors);
    store_run(static_cast<T*>(arguments.y) + place, next, left, vectors);
  });
}

KERNEL(denoise_f32, DenoiseArguments, kChunkThreads) { denoise<f32>(arguments); }
KERNEL(denoise_bf16, DenoiseArguments, kChunkThreads) { denoise<bf16>(arguments); }

#else

FLOAT_KERNELS(denoise_kernel, DenoiseArguments, "denoise", "denoise", kChunkThreads)

Status denoise(Context& context, Out y, Out x0, In x, In conditional, InOptional unconditional,
               InOptional previous_x0, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max) {
  ImageChunks chunks;
  const Status status = cut_images(context, chunks, image_rows, x.rows(), x.dim(-1));
  if (status.failed) return status;
  const bool vectors =
      aligned({y.data, x0.data, x.data, conditional.data, unconditional.data, previous_x0.data});
  return launch(context, denoise_kernel(x.dtype), {chunks.most_count},
                {y.data, x0.data, x.data, conditional.data, unconditional.data, previous_x0.data, chunks,
                 coefficients.as<DenoiseCoefficients>(), seeds.data, clip_min, clip_max, vectors});
}

#endif

}  // namespace transfusion::cuda
