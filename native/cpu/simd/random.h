// Philox (shared/philox.h) on vectors, and uniform and normal numbers from its words. Include it after
// simd.h.
#if defined(TRANSFUSION_RANDOM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_RANDOM_H
#undef TRANSFUSION_RANDOM_H
#else
#define TRANSFUSION_RANDOM_H
#endif

#include <numbers>

#include "cpu/simd/simd.h"
#include "shared/philox.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

using Words = hn::Vec<U32>;

struct Block {
  Words word[4];
};

// Philox multiplies 32-bit words to 64 bits, so a vector works on every other word only; the words between
// hold anything. Two such halves are joined to a vector of blocks.
#if HWY_TARGET == HWY_SCALAR
inline constexpr int kHalves = 1;

HWY_INLINE Words counters(i64 first) { return hn::Set(U32(), static_cast<uint32_t>(first)); }
// Both halves of the 64-bit products of words.
HWY_INLINE void multiply_words(Words a, Words b, Words& low, Words& high) {
  const uint64_t product = uint64_t{hn::GetLane(a)} * hn::GetLane(b);
  low = hn::Set(U32(), static_cast<uint32_t>(product));
  high = hn::Set(U32(), static_cast<uint32_t>(product >> 32));
}
HWY_INLINE Words join(Words word, Words) { return word; }
#else
inline constexpr int kHalves = 2;

HWY_INLINE Words counters(i64 first) {
  const hn::RepartitionToWide<U32> u64;
  const auto steps = hn::ShiftLeft<1>(hn::Iota(u64, 0));
  return hn::BitCast(U32(), hn::Add(hn::Set(u64, static_cast<uint64_t>(first)), steps));
}
HWY_INLINE void multiply_words(Words a, Words b, Words& low, Words& high) {
  low = hn::BitCast(U32(), hn::MulEven(a, b));
  high = hn::DupOdd(low);
}
HWY_INLINE Words join(Words even, Words odd) { return hn::OddEven(hn::DupEven(odd), even); }
#endif

// blocks[i] = blocks first + i lanes .. of a stream, one per lane. Each round depends on the one before it,
// so several blocks are interleaved.
template <int N>
HWY_INLINE void philox(const Seed& seed, i64 first, Block (&blocks)[N]) {
  const U32 u32;
  Block halves[N][kHalves];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i)
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) {
      const i64 counter = first + i * lanes();
      halves[i][h] = {counters(counter + h), hn::Set(u32, static_cast<uint32_t>(counter >> 32)),
                      hn::Set(u32, seed.stream[0]), hn::Set(u32, seed.stream[1])};
    }
  const auto factor0 = hn::Set(u32, kPhiloxFactor0), factor1 = hn::Set(u32, kPhiloxFactor1);
  uint32_t key0 = seed.key[0], key1 = seed.key[1];
  for (int round = 0; round < kPhiloxRounds; ++round) {
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i)
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        auto& [c0, c1, c2, c3] = halves[i][h].word;
        Words low0, high0, low1, high1;
        multiply_words(c0, factor0, low0, high0);
        multiply_words(c2, factor1, low1, high1);
        c0 = hn::Xor3(high1, c1, hn::Set(u32, key0));
        c1 = low1;
        c2 = hn::Xor3(high0, c3, hn::Set(u32, key1));
        c3 = low0;
      }
    key0 += kPhiloxKeyStep0;
    key1 += kPhiloxKeyStep1;
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w)
      blocks[i].word[w] = join(halves[i][0].word[w], halves[i][kHalves - 1].word[w]);
}

// Uniform in (0, 1]: 31 bits, rounded to f32, never 0.
HWY_INLINE Vec uniform(Words word) {
  const hn::RebindToSigned<F32> i32_tag;
  const auto integer = hn::ConvertTo(f32_tag, hn::BitCast(i32_tag, hn::ShiftRight<1>(word)));
  return hn::MulAdd(integer, set(0x1p-31f), set(0x1p-32f));
}

// ln x of x in (0, 1], not denormal. x = 2^e (1 + f), f in sqrt(1/2) - 1 .. sqrt(2) - 1, and
// ln(1 + f) = f - f^2 / 2 + f^3 p(f), p fitted for the least relative error.
HWY_INLINE Vec log_of_uniform(Vec x) {
  const hn::RebindToSigned<F32> i32_tag;
  const auto sqrt_half = hn::Set(i32_tag, 0x3f3504f3);
  const auto bits = hn::Sub(hn::BitCast(i32_tag, x), sqrt_half);
  const Vec exponent = hn::ConvertTo(f32_tag, hn::ShiftRight<23>(bits));
  const auto mantissa = hn::Add(hn::And(bits, hn::Set(i32_tag, 0x7fffff)), sqrt_half);
  const Vec f = hn::Sub(hn::BitCast(f32_tag, mantissa), set(1.0f));
  Vec p = set(-0.0797229571f);
  p = hn::MulAdd(p, f, set(0.126552578f));
  p = hn::MulAdd(p, f, set(-0.129896335f));
  p = hn::MulAdd(p, f, set(0.142100046f));
  p = hn::MulAdd(p, f, set(-0.166415619f));
  p = hn::MulAdd(p, f, set(0.200011991f));
  p = hn::MulAdd(p, f, set(-0.250003042f));
  p = hn::MulAdd(p, f, set(0.3333333f));
  const Vec square = hn::Mul(f, f);
  const Vec log = hn::MulAdd(hn::Mul(square, f), p, hn::NegMulAdd(set(0.5f), square, f));
  return hn::MulAdd(exponent, set(std::numbers::ln2_v<float>), log);
}

// cos a and sin a of a = pi word / 2^31, the word signed: the nearest quarter of a turn, and polynomials,
// fitted for the least relative error, of what is left.
HWY_INLINE void cos_sin_of_word(Words word, Vec& cosine, Vec& sine) {
  const U32 u32;
  const hn::RebindToSigned<F32> i32_tag;
  const Words quarter = hn::ShiftRight<30>(hn::Add(word, hn::Set(u32, 1u << 29)));
  const auto rest = hn::BitCast(i32_tag, hn::Sub(word, hn::ShiftLeft<30>(quarter)));
  const Vec angle =
      hn::Mul(hn::ConvertTo(f32_tag, rest), set(static_cast<float>(std::numbers::pi * 0x1p-31)));
  const Vec square = hn::Mul(angle, angle);
  Vec c = hn::MulAdd(set(2.43904501e-05f), square, set(-0.00138867638f));
  c = hn::MulAdd(c, square, set(0.0416666233f));
  c = hn::MulAdd(c, square, set(-0.499999997f));
  c = hn::MulAdd(c, square, set(1.0f));
  Vec s = hn::MulAdd(set(-0.000195172984f), square, set(0.00833217814f));
  s = hn::MulAdd(s, square, set(-0.166666549f));
  s = hn::MulAdd(hn::Mul(s, square), angle, angle);
  const auto is_odd = hn::RebindMask(f32_tag, hn::Ne(hn::And(quarter, hn::Set(u32, 1)), hn::Zero(u32)));
  const auto sign = [&](Words quarters) HWY_ATTR {
    return hn::BitCast(f32_tag, hn::ShiftLeft<30>(hn::And(quarters, hn::Set(u32, 2))));
  };
  cosine = hn::Xor(hn::IfThenElse(is_odd, s, c), sign(hn::Add(quarter, hn::Set(u32, 1))));
  sine = hn::Xor(hn::IfThenElse(is_odd, c, s), sign(quarter));
}

// Two independent standard normals from two words (Box and Muller): sqrt(-2 ln u) (cos a, sin a), u uniform,
// a uniform in -pi .. pi.
HWY_INLINE void box_muller(Words word0, Words word1, Vec& normal0, Vec& normal1) {
  const Vec radius = hn::Sqrt(hn::Mul(set(-2.0f), log_of_uniform(uniform(word0))));
  Vec cosine, sine;
  cos_sin_of_word(word1, cosine, sine);
  normal0 = hn::Mul(radius, cosine);
  normal1 = hn::Mul(radius, sine);
}

inline constexpr i64 kNoiseElements = 1024;

// Calls body(i, count, eps) for elements begin .. end - 1 of a stream of standard normals, in order, at most
// kNoiseElements at a time; `begin` is a multiple of kNoiseElements. Where `wanted` is false eps is zeros.
// All words are made before they become normals: both are long dependency chains, and those of many blocks
// overlap.
template <class Body>
HWY_INLINE void for_each_noise(const Seed& seed, bool wanted, i64 begin, i64 end, const Body& body) {
  constexpr i64 kBlocks = kNoiseElements / 4;
  HWY_ALIGN uint32_t words[4][kBlocks];
  HWY_ALIGN float eps[kNoiseElements] = {};
  const U32 u32;
  for (i64 i = begin; i < end; i += kNoiseElements) {
    const i64 count = std::min(kNoiseElements, end - i), blocks = wanted ? ceil_div(count, 4) : 0;
    for (i64 b = 0; b < blocks; b += 2 * lanes()) {
      Block two[2];
      philox(seed, i / 4 + b, two);
      for (int w = 0; w < 4; ++w)
        for (int n = 0; n < 2; ++n) hn::Store(two[n].word[w], u32, words[w] + b + n * lanes());
    }
    for (i64 b = 0; b < blocks; b += lanes()) {
      const auto word = [&](int w) HWY_ATTR { return hn::Load(u32, words[w] + b); };
      Vec normals[4];
      box_muller(word(0), word(1), normals[0], normals[1]);
      box_muller(word(2), word(3), normals[2], normals[3]);
      hn::StoreInterleaved4(normals[0], normals[1], normals[2], normals[3], f32_tag, eps + 4 * b);
    }
    body(i, count, eps);
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
