// Of moments [N, .., 2 L], means m and log-variances v side by side, v clamped to -30 .. 20 as in diffusers:
//   z = m + exp(v / 2) eps                              a sample of the latent's distribution
//   kl[n] = sum over image n of (m^2 + exp(v) - 1 - v) / 2    its divergence from the standard normal one
// Backward: dm = dz + dkl m, dv = (dz exp(v / 2) eps + dkl (exp(v) - 1)) / 2, 0 where v was clamped. One pass
// for both: their memory and exp(v / 2) are the same. eps, noise as in simd/random.h, is made again from the
// seeds. Parallel over chunks of images; an image's partial sums are joined in order. Kept for backward:
// moments.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/autoencoder/sample_latents.cc"
#include <hwy/foreach_target.h>

#include "cpu/autoencoder/images.h"
#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/random.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// Of L channels and any positions.
struct Latents {
  EqualImages images;
  i64 L;

  explicit Latents(const TensorView& moments)
      : images(moments.dim(0), moments.dim(0) == 0 ? 0 : moments.elements() / moments.dim(0) / 2),
        L(moments.dim(-1) / 2) {}

  // Calls body(mean, k, count) for runs of values first .. first + n - 1 of an image that lie in one
  // position: the means of values first + k .. are elements `mean` .. of all moments, the log-variances L
  // behind them.
  template <class Body>
  HWY_INLINE void for_each_run(i64 image, i64 first, i64 n, const Body& body) const {
    const i64 value = image * images.values + first;
    i64 position = value / L, channel = value % L;
    for (i64 k = 0; k < n; ++position, channel = 0) {
      const i64 count = std::min(L - channel, n - k);
      body(position * 2 * L + channel, k, count);
      k += count;
    }
  }
};

// The two moments of kNoiseElements values, each in a row.
template <class T>
struct Moments {
  HWY_ALIGN T mean[kNoiseElements];
  HWY_ALIGN T log_variance[kNoiseElements];

  HWY_INLINE void read(const T* moments, const Latents& latents, i64 image, i64 first, i64 n) {
    latents.for_each_run(image, first, n, [&](i64 place, i64 k, i64 count) HWY_ATTR {
      std::copy_n(moments + place, count, mean + k);
      std::copy_n(moments + place + latents.L, count, log_variance + k);
    });
  }
  HWY_INLINE void write(T* moments, const Latents& latents, i64 image, i64 first, i64 n) const {
    latents.for_each_run(image, first, n, [&](i64 place, i64 k, i64 count) HWY_ATTR {
      std::copy_n(mean + k, count, moments + place);
      std::copy_n(log_variance + k, count, moments + place + latents.L);
    });
  }
};

// A log-variance in its range, and whether it lay there; a NaN stays a NaN.
struct LogVariance {
  Vec clamped;
  hn::Mask<F32> inside;

  HWY_INLINE explicit LogVariance(Vec v) {
    const Vec least = set(-30), most = set(20);
    const auto below = hn::Lt(v, least), above = hn::Gt(v, most);
    clamped = hn::IfThenElse(below, least, hn::IfThenElse(above, most, v));
    inside = hn::Not(hn::Or(below, above));
  }
  HWY_INLINE Vec deviation() const { return exp(hn::Mul(clamped, set(0.5f))); }
};

Status SampleLatents(Context& context, Out z, Out kl, In moments, In seeds) {
  return with_float(moments, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Latents latents(moments);
    const EqualImages& images = latents.images;
    float* partials = context.scratch<float>(images.all_chunks());
    images.for_each([&](i64 chunk, i64 image, i64 begin, i64 end) HWY_ATTR {
      Moments<T> of;
      Vec divergence = zero();
      T* target = z.as<T>() + image * images.values;
      for_each_noise(Seed::of(seeds, image), true, begin, end,
                     [&](i64 first, i64 n, const float* eps) HWY_ATTR {
                       of.read(moments.as<T>(), latents, image, first, n);
                       for_each(n, [&](i64 k, auto io) HWY_ATTR {
                         const Vec mean = io.load(of.mean + k);
                         const LogVariance v(io.load(of.log_variance + k));
                         const Vec deviation = v.deviation();
                         io.store(hn::MulAdd(deviation, io.load(eps + k), mean), target + first + k);
                         // A lane beyond the last value is a standard normal one, mean and log-variance 0: it
                         // adds nothing.
                         const Vec excess = hn::Sub(hn::MulSub(deviation, deviation, set(1)), v.clamped);
                         divergence = hn::Add(divergence, hn::MulAdd(mean, mean, excess));
                       });
                     });
      partials[chunk] = sum_of(divergence);
    });
    images.join(kl.as<float>(), partials, 0.5f);
    return ok();
  });
}

Status SampleLatentsBackward(Context&, Out dmoments, In dz, In dkl, In moments, In seeds) {
  return with_float(moments, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Latents latents(moments);
    const EqualImages& images = latents.images;
    images.for_each([&](i64, i64 image, i64 begin, i64 end) HWY_ATTR {
      Moments<T> of;
      const T* gradient = dz.as<T>() + image * images.values;
      const Vec kl_gradient = set(dkl.as<float>()[image]), half = set(0.5f);
      for_each_noise(
          Seed::of(seeds, image), true, begin, end, [&](i64 first, i64 n, const float* eps) HWY_ATTR {
            of.read(moments.as<T>(), latents, image, first, n);
            for_each(n, [&](i64 k, auto io) HWY_ATTR {
              const Vec mean = io.load(of.mean + k), d = io.load(gradient + first + k);
              const LogVariance v(io.load(of.log_variance + k));
              const Vec deviation = v.deviation(), excess = hn::MulSub(deviation, deviation, set(1));
              const Vec slope =
                  hn::MulAdd(kl_gradient, excess, hn::Mul(d, hn::Mul(deviation, io.load(eps + k))));
              io.store(hn::MulAdd(kl_gradient, mean, d), of.mean + k);
              io.store(hn::IfThenElseZero(v.inside, hn::Mul(half, slope)), of.log_variance + k);
            });
            of.write(dmoments.as<T>(), latents, image, first, n);
          });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(SampleLatents);
HWY_EXPORT(SampleLatentsBackward);

Status sample_latents(Context& context, Out z, Out kl, In moments, In seeds) {
  return HWY_DYNAMIC_DISPATCH(SampleLatents)(context, z, kl, moments, seeds);
}

Status sample_latents_backward(Context& context, Out dmoments, In dz, In dkl, In moments, In seeds) {
  return HWY_DYNAMIC_DISPATCH(SampleLatentsBackward)(context, dmoments, dz, dkl, moments, seeds);
}

}  // namespace transfusion::cpu
#endif
