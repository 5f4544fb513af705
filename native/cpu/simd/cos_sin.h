// Cosines and sines of angles that need double's precision, in f32. Include it after simd.h.
#if defined(TRANSFUSION_COS_SIN_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_COS_SIN_H
#undef TRANSFUSION_COS_SIN_H
#else
#define TRANSFUSION_COS_SIN_H
#endif

#include <hwy/contrib/math/math-inl.h>

#include <cmath>
#include <numbers>

#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

inline constexpr double kTwoPi = 2 * std::numbers::pi;

// cosines[i], sines[i] of the angle 2 pi turns(i), which is reduced to one turn in double: at position 1e5 an
// angle in f32 is off by up to 4e-3.
template <class T, class Turns>
HWY_INLINE void CosSinOfTurns(T* cosines, T* sines, i64 n, const Turns& turns) {
  constexpr i64 kBlock = 256;
  HWY_ALIGN float angles[kBlock];
  for (i64 begin = 0; begin < n; begin += kBlock) {
    const i64 count = std::min(kBlock, n - begin);
    for (i64 i = 0; i < count; ++i) {
      const double all = turns(begin + i);
      angles[i] = static_cast<float>((all - std::nearbyint(all)) * kTwoPi);
    }
    for_each(count, [&](i64 i, auto io) HWY_ATTR {
      const Vec angle = io.load(angles + i);
      io.store(hn::Cos(f32_tag, angle), cosines + begin + i);
      io.store(hn::Sin(f32_tag, angle), sines + begin + i);
    });
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
