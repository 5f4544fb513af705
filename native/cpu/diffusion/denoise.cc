// One step of a sampler, for image i with the 7 coefficients[i]:
//   prediction = unconditional + guidance (conditional - unconditional)         classifier-free guidance
//   x0 = clip(from_x x + from_prediction prediction)                            the clean image
//   y  = x_coeff x + x0_coeff x0 + previous_x0_coeff previous_x0 + noise_coeff eps
// x is the noisy image x_t, y that of the next timestep, eps noise as in simd/random.h. diffusers' names: x
// is `sample`, prediction `model_output`, x0 `pred_original_sample`, y `prev_sample`; x_coeff and x0_coeff
// are `current_sample_coeff` and `pred_original_sample_coeff`. Parallel over chunks of images. Nothing is
// kept: there is no backward pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/diffusion/denoise.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/diffusion/images.h"
#include "cpu/simd/random.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

struct Coefficients {
  float guidance, from_x, from_prediction;
  float x_coeff, x0_coeff, previous_x0_coeff, noise_coeff;
};

// A NaN stays a NaN: clipped, it would be a pixel like any other.
HWY_INLINE Vec Clip(Vec v, Vec min, Vec max) {
  return hn::IfThenElse(hn::IsNaN(v), v, hn::Min(hn::Max(v, min), max));
}

Status Denoise(Context& context, Out y, Out x0, In x, In conditional, InOptional unconditional,
               InOptional previous_x0, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max) {
  if (const Status status = check_image_rows(image_rows, x.rows()); status.failed) return status;
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, x.dim(-1));
    const Vec min = set(clip_min), max = set(clip_max);
    chunks.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      const Coefficients of_image = coefficients.as<Coefficients>()[image];
      const Vec guidance = set(of_image.guidance);
      const Vec from_x = set(of_image.from_x);
      const Vec from_prediction = set(of_image.from_prediction);
      const Vec x_coeff = set(of_image.x_coeff), x0_coeff = set(of_image.x0_coeff);
      const Vec previous_x0_coeff = set(of_image.previous_x0_coeff), noise_coeff = set(of_image.noise_coeff);
      const Seed seed = Seed::of(seeds, image);
      for_each_noise(seed, of_image.noise_coeff != 0, begin, end,
                     [&](i64 i, i64 n, const float* eps) HWY_ATTR {
                       for_each(n, [&](i64 k, auto io) HWY_ATTR {
                         const i64 place = chunks.offset(image) + i + k;
                         const Vec sample = io.load(x.as<T>() + place);
                         Vec prediction = io.load(conditional.as<T>() + place);
                         if (unconditional.present()) {
                           const Vec base = io.load(unconditional.as<T>() + place);
                           prediction = hn::MulAdd(guidance, hn::Sub(prediction, base), base);
                         }
                         const Vec clean =
                             Clip(hn::MulAdd(from_x, sample, hn::Mul(from_prediction, prediction)), min, max);
                         io.store(clean, x0.as<T>() + place);
                         const Vec noise = hn::Mul(noise_coeff, io.load(eps + k));
                         Vec next = hn::MulAdd(x_coeff, sample, hn::MulAdd(x0_coeff, clean, noise));
                         if (previous_x0.present())
                           next = hn::MulAdd(previous_x0_coeff, io.load(previous_x0.as<T>() + place), next);
                         io.store(next, y.as<T>() + place);
                       });
                     });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Denoise);

Status denoise(Context& context, Out y, Out x0, In x, In conditional, InOptional unconditional,
               InOptional previous_x0, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max) {
  return HWY_DYNAMIC_DISPATCH(Denoise)(context, y, x0, x, conditional, unconditional, previous_x0, image_rows,
                                       coefficients, seeds, clip_min, clip_max);
}

}  // namespace transfusion::cpu
#endif
