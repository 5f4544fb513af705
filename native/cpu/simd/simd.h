// Vectors of f32 over f32 or bf16 memory, compiled once per SIMD target by Highway's foreach_target. Include
// it after hwy/foreach_target.h; see norms/rms_norm.cc for the shape of a kernel file. Lambdas that use
// vectors need HWY_ATTR.
#if defined(TRANSFUSION_SIMD_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_SIMD_H
#undef TRANSFUSION_SIMD_H
#else
#define TRANSFUSION_SIMD_H
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"
#include "kernel_types.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using U32 = hn::RebindToUnsigned<F32>;
using U16 = hn::Rebind<uint16_t, F32>;
using Vec = hn::Vec<F32>;
inline constexpr F32 f32_tag;
// lanes() as a constant; more than it only where a vector's length is unknown to the compiler (SVE, RISC-V).
inline constexpr int kMaxLanes = hn::MaxLanes(f32_tag);

HWY_INLINE i64 lanes() { return static_cast<i64>(hn::Lanes(f32_tag)); }
HWY_INLINE Vec zero() { return hn::Zero(f32_tag); }
HWY_INLINE Vec set(float value) { return hn::Set(f32_tag, value); }

HWY_INLINE Vec load(const float* p) { return hn::LoadU(f32_tag, p); }
HWY_INLINE Vec load(const bf16* p) {
  const auto halves = hn::LoadU(U16(), reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(f32_tag, hn::ShiftLeft<16>(hn::PromoteTo(U32(), halves)));
}

HWY_INLINE void store(Vec v, float* p) { hn::StoreU(v, f32_tag, p); }
// Rounds to nearest even; a NaN stays a NaN.
HWY_INLINE void store(Vec v, bf16* p) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // The instruction flushes subnormal numbers to zero.
  constexpr int kSubnormal = 0x20;
  if (rounds_natively && _mm512_fpclass_ps_mask(v.raw, kSubnormal) == 0) {
    __m256i rounded;
    asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v.raw));
    return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded);
  }
#endif
  const U32 u32;
  const auto bits = hn::BitCast(u32, v);
  const auto lsb = hn::And(hn::ShiftRight<16>(bits), hn::Set(u32, 1));
  const auto rounded = hn::Add(bits, hn::Add(lsb, hn::Set(u32, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(u32, 0x400000));
  const auto nan = hn::RebindMask(u32, hn::IsNaN(v));
  const auto high = hn::ShiftRight<16>(hn::IfThenElse(nan, quiet, rounded));
  hn::StoreU(hn::TruncateTo(U16(), high), U16(), reinterpret_cast<uint16_t*>(p));
}

// How a body of for_each loads and stores: whole vectors (Full), or the last few elements of a row (Tail),
// whose missing lanes are loaded as `missing`.
struct Full {
  template <class T>
  HWY_INLINE Vec load(const T* p, float /*missing*/ = 0) const {
    return HWY_NAMESPACE::load(p);
  }
  // As load, for rows that are read one after the other from memory: prefetches 2 KiB ahead. Long arithmetic
  // fills the CPU's reorder buffer, so that it does not get to later loads by itself.
  template <class T>
  HWY_INLINE Vec stream(const T* p, float /*missing*/ = 0) const {
    hwy::Prefetch(p + 2048 / sizeof(T));
    return HWY_NAMESPACE::load(p);
  }
  template <class T>
  HWY_INLINE void store(Vec v, T* p) const {
    HWY_NAMESPACE::store(v, p);
  }
};
struct Tail {
  i64 count;
  template <class T>
  HWY_INLINE Vec load(const T* p) const {
    HWY_ALIGN T buffer[kMaxLanes] = {};
    std::memcpy(buffer, p, static_cast<size_t>(count) * sizeof(T));
    return HWY_NAMESPACE::load(buffer);
  }
  template <class T>
  HWY_INLINE Vec load(const T* p, float missing) const {
    const auto present = hn::FirstN(f32_tag, static_cast<size_t>(count));
    return hn::IfThenElse(present, load(p), set(missing));
  }
  template <class T, class... Missing>
  HWY_INLINE Vec stream(const T* p, Missing... missing) const {
    return load(p, missing...);
  }
  template <class T>
  HWY_INLINE void store(Vec v, T* p) const {
    HWY_ALIGN T buffer[kMaxLanes];
    HWY_NAMESPACE::store(v, buffer);
    std::memcpy(p, buffer, static_cast<size_t>(count) * sizeof(T));
  }
};

// Calls body(i, io) for each vector of n elements; io is Full or, for the remainder, Tail.
template <class Body>
HWY_INLINE void for_each(i64 n, const Body& body) {
  const i64 step = lanes();
  i64 i = 0;
  for (; i + step <= n; i += step) body(i, Full{});
  if (i < n) body(i, Tail{n - i});
}

// Folds the vectors of n elements: fold(accumulator, i, io) gives the accumulator with vector i. Four
// accumulators take turns, so that none waits for the result before it; join(a, b) makes them one.
template <class Fold, class Join>
HWY_INLINE Vec fold_each(i64 n, Vec start, const Fold& fold, const Join& join) {
  const i64 step = lanes();
  Vec a = start, b = start, c = start, d = start;
  i64 i = 0;
  for (; i + 4 * step <= n; i += 4 * step) {
    a = fold(a, i, Full{});
    b = fold(b, i + step, Full{});
    c = fold(c, i + 2 * step, Full{});
    d = fold(d, i + 3 * step, Full{});
  }
  for (; i + step <= n; i += step) a = fold(a, i, Full{});
  if (i < n) b = fold(b, i, Tail{n - i});
  return join(join(a, b), join(c, d));
}
// As fold_each: sums, from zero.
template <class Fold>
HWY_INLINE Vec sum_each(i64 n, const Fold& fold) {
  return fold_each(n, zero(), fold, [](Vec a, Vec b) HWY_ATTR { return hn::Add(a, b); });
}

HWY_INLINE float sum_of(Vec v) { return hn::GetLane(hn::SumOfLanes(f32_tag, v)); }
HWY_INLINE float max_of(Vec v) { return hn::GetLane(hn::MaxOfLanes(f32_tag, v)); }

// The sum of n elements, one vector after the other.
template <class T>
HWY_INLINE float sum_run(const T* x, i64 n) {
  Vec sum = zero();
  for_each(n, [&](i64 i, auto io) HWY_ATTR { sum = hn::Add(sum, io.load(x + i)); });
  return sum_of(sum);
}

// Calls body(T{}) with T the element type of a floating-point tensor.
template <class Body>
HWY_INLINE Status with_float(const TensorView& tensor, const Body& body) {
  if (tensor.dtype == DType::f32) return body(float{});
  if (tensor.dtype == DType::bf16) return body(bf16{});
  return fail("a tensor must be of dtype f32 or bf16, received i32");
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
