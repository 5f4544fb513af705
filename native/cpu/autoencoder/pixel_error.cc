// losses[n] = mean of |y - x|, or of (y - x)^2, over the values of image n.  Backward: dy = dlosses[n] /
// (values of an image) times sign(y - x), 0 where they are equal, or 2 (y - x).
// Parallel over chunks of images; an image's partial sums are joined in order. Kept for backward: y, x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/autoencoder/pixel_error.cc"
#include <hwy/foreach_target.h>

#include "cpu/autoencoder/images.h"
#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

HWY_INLINE EqualImages ImagesOf(const TensorView& y) {
  return {y.dim(0), y.dim(0) == 0 ? 0 : y.elements() / y.dim(0)};
}

// The mean of an image without values is 0.
HWY_INLINE float ShareOfValue(const EqualImages& images) {
  return 1 / static_cast<float>(std::max<i64>(1, images.values));
}

// The sign of an error, 0 of one that is 0; a NaN stays a NaN.
HWY_INLINE Vec Sign(Vec error) {
  const auto has_no_sign = hn::Or(hn::Eq(error, zero()), hn::IsNaN(error));
  return hn::IfThenElse(has_no_sign, error, hn::CopySign(set(1), error));
}

Status PixelError(Context& context, Out losses, In y, In x, bool squared) {
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const EqualImages images = ImagesOf(y);
    float* partials = context.scratch<float>(images.all_chunks());
    images.for_each([&](i64 chunk, i64 image, i64 begin, i64 end) HWY_ATTR {
      const i64 place = image * images.values + begin;
      const auto error = [&](i64 i, auto io) HWY_ATTR {
        return hn::Sub(io.stream(y.as<T>() + place + i), io.stream(x.as<T>() + place + i));
      };
      const Vec sum = squared ? sum_each(end - begin,
                                         [&](Vec sum, i64 i, auto io) HWY_ATTR {
                                           const Vec e = error(i, io);
                                           return hn::MulAdd(e, e, sum);
                                         })
                              : sum_each(end - begin, [&](Vec sum, i64 i, auto io) HWY_ATTR {
                                  return hn::Add(sum, hn::Abs(error(i, io)));
                                });
      partials[chunk] = sum_of(sum);
    });
    images.join(losses.as<float>(), partials, ShareOfValue(images));
    return ok();
  });
}

Status PixelErrorBackward(Context&, Out dy, In dlosses, In y, In x, bool squared) {
  return with_float(y, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const EqualImages images = ImagesOf(y);
    const float share = ShareOfValue(images) * (squared ? 2.0f : 1.0f);
    images.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      const i64 place = image * images.values + begin;
      const Vec factor = set(share * dlosses.as<float>()[image]);
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        const Vec error = hn::Sub(io.stream(y.as<T>() + place + i), io.stream(x.as<T>() + place + i));
        io.store(hn::Mul(factor, squared ? error : Sign(error)), dy.as<T>() + place + i);
      });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(PixelError);
HWY_EXPORT(PixelErrorBackward);

Status pixel_error(Context& context, Out losses, In y, In x, bool squared) {
  return HWY_DYNAMIC_DISPATCH(PixelError)(context, losses, y, x, squared);
}

Status pixel_error_backward(Context& context, Out dy, In dlosses, In y, In x, bool squared) {
  return HWY_DYNAMIC_DISPATCH(PixelErrorBackward)(context, dy, dlosses, y, x, squared);
}

}  // namespace transfusion::cpu
#endif
