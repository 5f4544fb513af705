// Of moments [N, .., 2 L], means m and log-variances v side by side, v clamped to -30 .. 20 as in diffusers:
//   z = m + exp(v / 2) eps                              a sample of the latent's distribution
//   kl[n] = sum over image n of (m^2 + exp(v) - 1 - v) / 2    its divergence from the standard normal one
// Backward: dm = dz + dkl m, dv = (dz exp(v / 2) eps + dkl (exp(v) - 1)) / 2, 0 where v was clamped. One pass
// for both: their memory and exp(v / 2) are the same. eps is made again from the seeds (device/philox.cuh).
// A block for a chunk of an image, a thread for four values, which is a block of Philox; an image's partial
// sums are joined in order. Kept for backward: moments.
#include "autoencoder/images.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#include "device/philox.cuh"
#include "device/reduce.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

struct Latents {
  const void *moments, *seeds;
  EqualImages images;
  i64 channels;
  bool vectors;  // runs lie in one position each, at whole vectors
};

struct SampleLatentsArguments {
  void* z;
  f32* partials;  // of each chunk
  Latents latents;
};

struct SampleLatentsBackwardArguments {
  void* dmoments;
  const void* dz;
  const f32* dkl;
  Latents latents;
};

#ifdef __CUDACC__

constexpr int kRun = 4;

// The place in moments of a value's mean; that of its log-variance is `channels` behind it.
__device__ __forceinline__ i64 place_of_mean(const Latents& latents, i64 value) {
  return value + value / latents.channels * latents.channels;
}

// Values of an image, from one on, with the noise of each; of those beyond `left` mean and log-variance are
// 0.
template <class T>
struct MomentRun {
  float mean[kRun], log_variance[kRun], eps[kRun];

  __device__ __forceinline__ MomentRun(const Latents& latents, const ChunkOfImage& chunk, i64 i, i64 left) {
    const T* moments = static_cast<const T*>(latents.moments);
    const i64 value = chunk.offset + i;
    if (latents.vectors) {
      const T* means = moments + place_of_mean(latents, value);
      load_run(mean, means, left, true);
      load_run(log_variance, means + latents.channels, left, true);
    } else {
#pragma unroll
      for (int k = 0; k < kRun; ++k) {
        const i64 place = place_of_mean(latents, value + k);
        mean[k] = k < left ? to_float(moments[place]) : 0;
        log_variance[k] = k < left ? to_float(moments[place + latents.channels]) : 0;
      }
    }
    normals(eps, Seed::of(latents.seeds, chunk.image), i);
  }
};

// A log-variance in its range, and whether it lay there; a NaN stays a NaN.
struct LogVariance {
  float clamped;
  bool inside;

  __device__ __forceinline__ explicit LogVariance(float v)
      : clamped(v < -30  ? -30
                : v > 20 ? 20
                         : v),
        inside(!(v < -30 || v > 20)) {}
  __device__ __forceinline__ float deviation() const { return expf(0.5f * clamped); }
};

template <class T>
__device__ void sample_latents(const SampleLatentsArguments& arguments) {
  const Latents& latents = arguments.latents;
  const ChunkOfImage chunk = chunk_of_block(latents.images);
  float divergence = 0;
  for_each_run<kRun>(chunk, [&](i64 i, i64 left) {
    const MomentRun<T> run(latents, chunk, i, left);
    float z[kRun];
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      const LogVariance v(run.log_variance[k]);
      const float mean = run.mean[k], deviation = v.deviation();
      z[k] = fmaf(deviation, run.eps[k], mean);
      divergence += fmaf(mean, mean, fmaf(deviation, deviation, -1.0f) - v.clamped);
    }
    store_run(static_cast<T*>(arguments.z) + chunk.offset + i, z, left, latents.vectors);
  });
  divergence = reduce_block<kImageThreads>(divergence, Sum());
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = divergence;
}

KERNEL(sample_latents_f32, SampleLatentsArguments, kImageThreads) { sample_latents<f32>(arguments); }
KERNEL(sample_latents_bf16, SampleLatentsArguments, kImageThreads) { sample_latents<bf16>(arguments); }

template <class T>
__device__ void sample_latents_backward(const SampleLatentsBackwardArguments& arguments) {
  const Latents& latents = arguments.latents;
  const ChunkOfImage chunk = chunk_of_block(latents.images);
  const float dkl = arguments.dkl[chunk.image];
  T* dmoments = static_cast<T*>(arguments.dmoments);
  for_each_run<kRun>(chunk, [&](i64 i, i64 left) {
    const MomentRun<T> run(latents, chunk, i, left);
    const i64 value = chunk.offset + i;
    float dz[kRun], dmean[kRun], dv[kRun];
    load_run(dz, static_cast<const T*>(arguments.dz) + value, left, latents.vectors);
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      const LogVariance v(run.log_variance[k]);
      const float deviation = v.deviation(), excess = fmaf(deviation, deviation, -1.0f);
      dmean[k] = fmaf(dkl, run.mean[k], dz[k]);
      dv[k] = v.inside ? 0.5f * fmaf(dkl, excess, dz[k] * (deviation * run.eps[k])) : 0;
    }
    if (latents.vectors) {
      T* dmeans = dmoments + place_of_mean(latents, value);
      store_run(dmeans, dmean, left, true);
      store_run(dmeans + latents.channels, dv, left, true);
    } else {
#pragma unroll
      for (int k = 0; k < kRun; ++k) {
        if (k >= left) break;
        const i64 place = place_of_mean(latents, value + k);
        dmoments[place] = from_float<T>(dmean[k]);
        dmoments[place + latents.channels] = from_float<T>(dv[k]);
      }
    }
  });
}

KERNEL(sample_latents_backward_f32, SampleLatentsBackwardArguments, kImageThreads) {
  sample_latents_backward<f32>(arguments);
}
KERNEL(sample_latents_backward_bf16, SampleLatentsBackwardArguments, kImageThreads) {
  sample_latents_backward<bf16>(arguments);
}

#else

FLOAT_KERNELS(sample_kernel, SampleLatentsArguments, "sample_latents", "sample_latents", kImageThreads)
FLOAT_KERNELS(backward_kernel, SampleLatentsBackwardArguments, "sample_latents", "sample_latents_backward",
              kImageThreads)

static Latents latents_of(const TensorView& moments, const TensorView& seeds,
                          std::initializer_list<const void*> others) {
  const i64 N = moments.dim(0), L = moments.dim(-1) / 2;
  return {moments.data,
          seeds.data,
          {N, N == 0 ? 0 : moments.elements() / N / 2},
          L,
          aligned({moments.data}) && aligned(others) && L % 4 == 0};
}

Status sample_latents(Context& context, Out z, Out kl, In moments, In seeds) {
  const Latents latents = latents_of(moments, seeds, {z.data});
  const EqualImages& images = latents.images;
  f32* partials = context.scratch<f32>(images.all_chunks());
  const Status status =
      launch(context, sample_kernel(moments.dtype), {images.all_chunks()}, {z.data, partials, latents});
  if (status.failed) return status;
  return join_image_sums(context, kl.as<f32>(), partials, images, 0.5f);
}

Status sample_latents_backward(Context& context, Out dmoments, In dz, In dkl, In moments, In seeds) {
  const Latents latents = latents_of(moments, seeds, {dmoments.data, dz.data});
  return launch(context, backward_kernel(moments.dtype), {latents.images.all_chunks()},
                {dmoments.data, dz.data, dkl.as<f32>(), latents});
}

#endif

}  // namespace transfusion::cuda
