// losses[i] = weight[i] mean((p - (target_x0[i] x0 + target_eps[i] eps))^2) over the elements of image i; p
// is the network's prediction, eps the noise that add_noise gave x0. Backward: dp = dlosses[i] weight[i] 2 (p
// - target) / (elements of image i). eps is made again from the seeds (random.h), so nothing is kept.
// Parallel over chunks of images; an image's partial sums are joined in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/diffusion/diffusion_loss.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/diffusion/images.h"
#include "cpu/simd/random.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

struct Targets {
  In x0, target_x0, target_eps, seeds;
};

// Calls body(place, error, io) for each vector of p - target among elements begin .. end - 1 of an image;
// `place` is the vector's in [S, C].
template <class T, class Body>
HWY_INLINE void ForEachError(const Targets& targets, const T* prediction, i64 image, i64 offset, i64 begin,
                             i64 end, const Body& body) {
  const float eps_coeff = targets.target_eps.as<float>()[image];
  const Vec x0_coeffs = set(targets.target_x0.as<float>()[image]), eps_coeffs = set(eps_coeff);
  const T* x0 = targets.x0.as<T>();
  const Seed seed = Seed::of(targets.seeds, image);
  for_each_noise(seed, eps_coeff != 0, begin, end, [&](i64 i, i64 n, const float* eps) HWY_ATTR {
    for_each(n, [&](i64 k, auto io) HWY_ATTR {
      const i64 place = offset + i + k;
      const Vec noise = hn::Mul(eps_coeffs, io.load(eps + k));
      const Vec target = hn::MulAdd(x0_coeffs, io.load(x0 + place), noise);
      body(place, hn::Sub(io.load(prediction + place), target), io);
    });
  });
}

Status DiffusionLoss(Context& context, Out losses, In prediction, In x0, In image_rows, In target_x0,
                     In target_eps, In weight, In seeds) {
  if (const Status status = check_image_rows(image_rows, prediction.rows()); status.failed) return status;
  const Targets targets{x0, target_x0, target_eps, seeds};
  return with_float(prediction, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, prediction.dim(-1));
    float* partials = context.scratch<float>(chunks.count());
    chunks.for_each([&](i64 chunk, i64 image, i64 begin, i64 end) HWY_ATTR {
      Vec squares = zero();
      ForEachError(targets, prediction.as<T>(), image, chunks.offset(image), begin, end,
                   [&](i64, Vec error, auto) HWY_ATTR { squares = hn::MulAdd(error, error, squares); });
      partials[chunk] = sum_of(squares);
    });
    for (i64 image = 0; image < chunks.images(); ++image) {
      float sum = 0;
      for (i64 chunk = chunks.first_chunk(image); chunk < chunks.first_chunk(image + 1); ++chunk)
        sum += partials[chunk];
      const i64 elements = std::max<i64>(1, chunks.elements(image));
      losses.as<float>()[image] = weight.as<float>()[image] * (sum / static_cast<float>(elements));
    }
    return ok();
  });
}

Status DiffusionLossBackward(Context& context, Out dprediction, In dlosses, In prediction, In x0,
                             In image_rows, In target_x0, In target_eps, In weight, In seeds) {
  if (const Status status = check_image_rows(image_rows, prediction.rows()); status.failed) return status;
  const Targets targets{x0, target_x0, target_eps, seeds};
  return with_float(prediction, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, prediction.dim(-1));
    chunks.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      const float factor = dlosses.as<float>()[image] * weight.as<float>()[image] * 2 /
                           static_cast<float>(chunks.elements(image));
      const Vec factors = set(factor);
      ForEachError(targets, prediction.as<T>(), image, chunks.offset(image), begin, end,
                   [&](i64 place, Vec error, auto io)
                       HWY_ATTR { io.store(hn::Mul(factors, error), dprediction.as<T>() + place); });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(DiffusionLoss);
HWY_EXPORT(DiffusionLossBackward);

Status diffusion_loss(Context& context, Out losses, In prediction, In x0, In image_rows, In target_x0,
                      In target_eps, In weight, In seeds) {
  return HWY_DYNAMIC_DISPATCH(DiffusionLoss)(context, losses, prediction, x0, image_rows, target_x0,
                                             target_eps, weight, seeds);
}

Status diffusion_loss_backward(Context& context, Out dprediction, In dlosses, In prediction, In x0,
                               In image_rows, In target_x0, In target_eps, In weight, In seeds) {
  return HWY_DYNAMIC_DISPATCH(DiffusionLossBackward)(context, dprediction, dlosses, prediction, x0,
                                                     image_rows, target_x0, target_eps, weight, seeds);
}

}  // namespace transfusion::cpu
#endif
