// One step of a sampler, for image i with coefficients[i] = guidance, from_x, from_p, k_x, k_x0, k_previous,
// k_eps:
//   p  = unconditional + guidance (conditional - unconditional)       classifier-free guidance
//   x0 = clip(from_x x + from_p p)                                    what the network sees in x
//   y  = k_x x + k_x0 x0 + k_previous previous + k_eps eps            eps as in random.h
// Parallel over chunks of images.
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
  float guidance, from_x, from_p, k_x, k_x0, k_previous, k_eps;
};

// A NaN stays one: clipped, it would be a pixel like any other.
HWY_INLINE Vec Clip(Vec v, Vec least, Vec most) {
  return hn::IfThenElse(hn::IsNaN(v), v, hn::Min(hn::Max(v, least), most));
}

Status Denoise(Context& context, Out y, Out x0, In x, In conditional, InOptional unconditional,
               InOptional previous, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max) {
  if (const Status status = check_image_rows(image_rows, x.rows()); status.failed) return status;
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, x.dim(-1));
    const Vec least = set(clip_min), most = set(clip_max);
    chunks.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      const Coefficients of = coefficients.as<Coefficients>()[image];
      const Vec guidance = set(of.guidance), from_x = set(of.from_x), from_p = set(of.from_p);
      const Vec k_x = set(of.k_x), k_x0 = set(of.k_x0), k_previous = set(of.k_previous),
                k_eps = set(of.k_eps);
      const Seed seed = Seed::of(seeds, image);
      for_each_noise(seed, of.k_eps != 0, begin, end, [&](i64 i, i64 n, const float* eps) HWY_ATTR {
        for_each(n, [&](i64 k, auto io) HWY_ATTR {
          const i64 place = chunks.offset(image) + i + k;
          const Vec noisy = io.load(x.as<T>() + place);
          Vec p = io.load(conditional.as<T>() + place);
          if (unconditional.present()) {
            const Vec base = io.load(unconditional.as<T>() + place);
            p = hn::MulAdd(guidance, hn::Sub(p, base), base);
          }
          const Vec clean = Clip(hn::MulAdd(from_x, noisy, hn::Mul(from_p, p)), least, most);
          io.store(clean, x0.as<T>() + place);
          Vec next = hn::MulAdd(k_x, noisy, hn::MulAdd(k_x0, clean, hn::Mul(k_eps, io.load(eps + k))));
          if (previous.present()) next = hn::MulAdd(k_previous, io.load(previous.as<T>() + place), next);
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
               InOptional previous, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max) {
  return HWY_DYNAMIC_DISPATCH(Denoise)(context, y, x0, x, conditional, unconditional, previous, image_rows,
                                       coefficients, seeds, clip_min, clip_max);
}

}  // namespace transfusion::cpu
#endif
