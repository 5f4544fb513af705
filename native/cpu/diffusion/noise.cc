// normal: y = scale eps.  add_noise: xt = alpha[i] x0 + sigma[i] eps, the forward diffusion of image i.
// eps is a stream of standard normals for each image, a function of its seed and of the element's place in
// the image alone (random.h): nothing needs to be kept. Parallel over chunks of images.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/diffusion/noise.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/diffusion/images.h"
#include "cpu/simd/random.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

Status Normal(Context& context, Out y, In image_rows, In seeds, f32 scale) {
  if (const Status status = check_image_rows(image_rows, y.rows()); status.failed) return status;
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, y.dim(-1));
    const Vec scales = set(scale);
    chunks.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      T* target = y.as<T>() + chunks.offset(image);
      for_each_noise(Seed::of(seeds, image), true, begin, end, [&](i64 i, i64 n, const float* eps) HWY_ATTR {
        for_each(
            n, [&](i64 k, auto io) HWY_ATTR { io.store(hn::Mul(scales, io.load(eps + k)), target + i + k); });
      });
    });
    return ok();
  });
}

Status AddNoise(Context& context, Out xt, In x0, In image_rows, In alpha, In sigma, In seeds) {
  if (const Status status = check_image_rows(image_rows, x0.rows()); status.failed) return status;
  return with_float(x0, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const ImageChunks chunks(context, image_rows, x0.dim(-1));
    chunks.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      const T* source = x0.as<T>() + chunks.offset(image);
      T* target = xt.as<T>() + chunks.offset(image);
      const Vec alphas = set(alpha.as<float>()[image]), sigmas = set(sigma.as<float>()[image]);
      const bool wanted = sigma.as<float>()[image] != 0;
      for_each_noise(Seed::of(seeds, image), wanted, begin, end,
                     [&](i64 i, i64 n, const float* eps) HWY_ATTR {
                       for_each(n, [&](i64 k, auto io) HWY_ATTR {
                         const Vec noise = hn::Mul(sigmas, io.load(eps + k));
                         io.store(hn::MulAdd(alphas, io.load(source + i + k), noise), target + i + k);
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

HWY_EXPORT(Normal);
HWY_EXPORT(AddNoise);

Status normal(Context& context, Out y, In image_rows, In seeds, f32 scale) {
  return HWY_DYNAMIC_DISPATCH(Normal)(context, y, image_rows, seeds, scale);
}

Status add_noise(Context& context, Out xt, In x0, In image_rows, In alpha, In sigma, In seeds) {
  return HWY_DYNAMIC_DISPATCH(AddNoise)(context, xt, x0, image_rows, alpha, sigma, seeds);
}

}  // namespace transfusion::cpu
#endif
