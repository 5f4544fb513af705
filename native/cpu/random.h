// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) on vectors. A seed is a
// key and a stream; block b of a stream is four words, the function of key and counter (b, stream). Element i
// of a stream is lane i % 4 of block i / 4, so that any part can be made alone. Include it after simd.h.
#if defined(TRANSFUSION_RANDOM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_RANDOM_H
#undef TRANSFUSION_RANDOM_H
#else
#define TRANSFUSION_RANDOM_H
#endif

#include <hwy/contrib/math/math-inl.h>

#include <numbers>

#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

using Words = hn::Vec<U32>;

struct Seed {
  uint32_t key[2], stream[2];

  // Row `row` of seeds [N, 4].
  static Seed of(const In& seeds, i64 row) {
    const auto* words = seeds.as<uint32_t>() + 4 * row;
    return {{words[0], words[1]}, {words[2], words[3]}};
  }
};

// The upper half of the 64-bit products of words.
HWY_INLINE Words multiply_high(Words a, Words b) {
  const U32 u32;
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(u32, static_cast<uint32_t>(uint64_t{hn::GetLane(a)} * hn::GetLane(b) >> 32));
#else
  const hn::RepartitionToWide<U32> u64;
  const auto odd = [&](Words v)
                       HWY_ATTR { return hn::BitCast(u32, hn::ShiftRight<32>(hn::BitCast(u64, v))); };
  const auto even_products = hn::BitCast(u32, hn::MulEven(a, b));
  const auto odd_products = hn::BitCast(u32, hn::MulEven(odd(a), odd(b)));
  return hn::OddEven(odd_products, odd(even_products));
#endif
}

struct Block {
  Words word[4];
};

// Blocks first .. first + lanes - 1 of a stream, one a lane; `first` is a multiple of the number of lanes.
HWY_INLINE Block philox(const Seed& seed, i64 first) {
  const U32 u32;
  const auto low = hn::Set(u32, static_cast<uint32_t>(first)),
             high = hn::Set(u32, static_cast<uint32_t>(first >> 32));
  Block block{hn::Add(low, hn::Iota(u32, 0)), high, hn::Set(u32, seed.stream[0]),
              hn::Set(u32, seed.stream[1])};
  auto& [c0, c1, c2, c3] = block.word;
  const auto factor0 = hn::Set(u32, 0xd2511f53u), factor1 = hn::Set(u32, 0xcd9e8d57u);
  uint32_t key0 = seed.key[0], key1 = seed.key[1];
  for (int round = 0; round < 10; ++round) {
    const auto high0 = multiply_high(c0, factor0), low0 = hn::Mul(c0, factor0);
    const auto high1 = multiply_high(c2, factor1), low1 = hn::Mul(c2, factor1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(u32, key0));
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(u32, key1));
    c3 = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return block;
}

// Uniform in (0, 1]: 31 bits, rounded to f32, never 0.
HWY_INLINE Vec uniform(Words word) {
  const hn::RebindToSigned<F32> i32_tag;
  const auto integer = hn::ConvertTo(f32_tag, hn::BitCast(i32_tag, hn::ShiftRight<1>(word)));
  return hn::MulAdd(integer, set(0x1p-31f), set(0x1p-32f));
}

// Two independent standard normals from two words (Box and Muller): sqrt(-2 ln u) (cos a, sin a), u uniform,
// a uniform in -pi .. pi.
HWY_INLINE void box_muller(Words word0, Words word1, Vec& normal0, Vec& normal1) {
  const hn::RebindToSigned<F32> i32_tag;
  const Vec radius = hn::Sqrt(hn::Mul(set(-2.0f), hn::Log(f32_tag, uniform(word0))));
  const Vec turns = hn::ConvertTo(f32_tag, hn::BitCast(i32_tag, word1));
  const Vec angle = hn::Mul(turns, set(static_cast<float>(std::numbers::pi * 0x1p-31)));
  normal0 = hn::Mul(radius, hn::Cos(f32_tag, angle));
  normal1 = hn::Mul(radius, hn::Sin(f32_tag, angle));
}

inline constexpr i64 kNoiseElements = 1024;

// Calls body(i, count, eps) for elements begin .. end - 1 of a stream of standard normals, in order, at most
// kNoiseElements at a time; `begin` is a multiple of kNoiseElements. Where `wanted` is false eps is zeros.
template <class Body>
HWY_INLINE void for_each_noise(const Seed& seed, bool wanted, i64 begin, i64 end, const Body& body) {
  HWY_ALIGN float eps[kNoiseElements] = {};
  for (i64 i = begin; i < end; i += kNoiseElements) {
    const i64 count = std::min(kNoiseElements, end - i);
    for (i64 k = 0; wanted && k < count; k += 4 * lanes()) {
      const Block block = philox(seed, (i + k) / 4);
      Vec normals[4];
      box_muller(block.word[0], block.word[1], normals[0], normals[1]);
      box_muller(block.word[2], block.word[3], normals[2], normals[3]);
      hn::StoreInterleaved4(normals[0], normals[1], normals[2], normals[3], f32_tag, eps + k);
    }
    body(i, count, eps);
  }
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
