// losses[n] = mean over positions of sum_c w_c d_c^2,  d = a / (|a| + eps) - b / (|b| + eps), lengths over
// the channels of a position.  Backward, with u = a / (|a| + eps), e_c = dlosses[n] / positions 2 w_c d_c:
// da = (e - a / |a| sum_c e_c u_c) / (|a| + eps), and 0 where |a| is 0.
// Parallel over chunks of an image's positions, whose sums are joined in order. Nothing else is kept.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/perceptual_distance.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// As lpips has it.
constexpr float kEps = 1e-10f;

template <class T>
HWY_INLINE float Length(const T* row, i64 C) {
  return std::sqrt(sum_of(sum_each(C, [&](Vec sum, i64 c, auto io) HWY_ATTR {
    const Vec v = io.stream(row + c);
    return hn::MulAdd(v, v, sum);
  })));
}

Status PerceptualDistance(Context& context, Out losses, In a, In b, In weight) {
  return with_float(a, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 N = a.dim(0), C = a.dim(3), positions = a.dim(1) * a.dim(2);
    const i64 grain = row_grain(2 * C), chunks = ceil_div(positions, grain);
    float* partials = context.scratch<float>(N * chunks);
    parallel_for(N * chunks, 1, [&](i64 chunk, i64) HWY_ATTR {
      const i64 first = chunk % chunks * grain, image = chunk / chunks * positions;
      Vec sum = zero();
      for (i64 t = image + first, end = image + std::min(positions, first + grain); t < end; ++t) {
        const T *as = a.as<T>() + t * C, *bs = b.as<T>() + t * C;
        const Vec a_factor = set(1 / (Length(as, C) + kEps)), b_factor = set(1 / (Length(bs, C) + kEps));
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          const Vec d = hn::Sub(hn::Mul(io.load(as + c), a_factor), hn::Mul(io.load(bs + c), b_factor));
          sum = hn::MulAdd(hn::Mul(io.load(weight.as<float>() + c), d), d, sum);
        });
      }
      partials[chunk] = sum_of(sum);
    });
    for (i64 n = 0; n < N; ++n) {
      float sum = 0;
      for (i64 chunk = n * chunks; chunk < (n + 1) * chunks; ++chunk) sum += partials[chunk];
      losses.as<float>()[n] = sum / static_cast<float>(std::max<i64>(1, positions));
    }
    return ok();
  });
}

// The gradient of one position; `factor`: 2 dlosses / positions.
template <class T>
void PositionBackward(T* da, const T* a, const T* b, const float* weight, float factor, i64 C) {
  const float length = Length(a, C);
  if (length == 0) return void(std::memset(da, 0, static_cast<size_t>(C) * sizeof(T)));
  const float inverse = 1 / (length + kEps);
  const Vec a_factor = set(inverse), b_factor = set(1 / (Length(b, C) + kEps)), factors = set(factor);
  const auto gradient = [&](Vec u, i64 c, auto io) HWY_ATTR {
    const Vec d = hn::Sub(u, hn::Mul(io.load(b + c), b_factor));
    return hn::Mul(hn::Mul(io.load(weight + c), factors), d);
  };
  const Vec along = set(sum_of(sum_each(C,
                                        [&](Vec sum, i64 c, auto io) HWY_ATTR {
                                          const Vec u = hn::Mul(io.load(a + c), a_factor);
                                          return hn::MulAdd(gradient(u, c, io), u, sum);
                                        })) /
                        length);
  for_each(C, [&](i64 c, auto io) HWY_ATTR {
    const Vec v = io.load(a + c);
    const Vec e = gradient(hn::Mul(v, a_factor), c, io);
    io.store(hn::Mul(a_factor, hn::NegMulAdd(v, along, e)), da + c);
  });
}

Status PerceptualDistanceBackward(Context&, Out da, In dlosses, In a, In b, In weight) {
  return with_float(a, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = a.dim(3), positions = a.dim(1) * a.dim(2);
    parallel_for(a.rows(), row_grain(3 * C), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t)
        PositionBackward(da.as<T>() + t * C, a.as<T>() + t * C, b.as<T>() + t * C, weight.as<float>(),
                         2 * dlosses.as<float>()[t / positions] / static_cast<float>(positions), C);
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(PerceptualDistance);
HWY_EXPORT(PerceptualDistanceBackward);

Status perceptual_distance(Context& context, Out losses, In a, In b, In weight) {
  return HWY_DYNAMIC_DISPATCH(PerceptualDistance)(context, losses, a, b, weight);
}

Status perceptual_distance_backward(Context& context, Out da, In dlosses, In a, In b, In weight) {
  return HWY_DYNAMIC_DISPATCH(PerceptualDistanceBackward)(context, da, dlosses, a, b, weight);
}

}  // namespace transfusion::cpu
#endif
