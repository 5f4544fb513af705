// argmax: the largest logit's id, of equals the lowest.
// sample_tokens: ids drawn with probability proportional to exp((logits + bias) / temperature) among the
// top_k most probable, of these the fewest that hold top_p of the probability and, of these, the ones at
// least min_p times as probable as the most probable; temperature 0 is argmax. A row's draw is a function of
// its seed (random.h) and its logits alone. Parallel over rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/sampling.cc"
#include <hwy/foreach_target.h>

#include <bit>
#include <cmath>
#include <limits>

#include "cpu/cpu.h"
#include "cpu/simd/math.h"
#include "cpu/simd/random.h"
#include "cpu/simd/scalar.h"
#include "cpu/simd/simd.h"
#include "cpu/token_choice.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Peak {
  float value;
  bool has_nan;
  bool usable() const { return !has_nan && value < std::numeric_limits<float>::infinity(); }
};

// The largest of V values; load(i, io) gives a vector of them, kNone beyond the last.
template <class Load>
HWY_INLINE Peak find_peak(i64 V, const Load& load) {
  Vec largest = set(kNone), nan = zero();
  for_each(V, [&](i64 i, auto io) HWY_ATTR {
    const Vec value = load(i, io);
    largest = hn::Max(largest, value);
    nan = hn::IfThenElse(hn::IsNaN(value), set(1.0f), nan);
  });
  return {max_of(largest), max_of(nan) != 0};
}

template <class T>
i32 first_equal(const T* row, i64 V, float value) {
  i64 id = 0;
  while (id < V - 1 && to_float(row[id]) != value) ++id;
  return static_cast<i32>(id);
}

Status Argmax(Context& context, Out ids, In logits) {
  return with_float(logits, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 V = logits.dim(-1);
    i32* found = context.scratch<i32>(logits.rows());
    parallel_for(logits.rows(), row_grain(V), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* row = logits.as<T>() + t * V;
        const Peak peak = find_peak(V, [&](i64 i, auto io) HWY_ATTR { return io.stream(row + i, kNone); });
        found[t] = peak.usable() ? first_equal(row, V, peak.value) : kNotFinite;
      }
    });
    return write_ids(ids, found);
  });
}

// Uniform in [0, 1), 53 bits: the first two words of the seed's stream.
double draw_uniform(const Seed& seed) {
  Block blocks[1];
  philox(seed, 0, blocks);
  const uint32_t high = hn::GetLane(blocks[0].word[0]) >> 5, low = hn::GetLane(blocks[0].word[1]) >> 6;
  return (high * 0x1p26 + low) * 0x1p-53;
}

struct Choice {
  float temperature, top_p, min_p;
  i64 top_k;
};

// `values` and `candidates` have room for V.
template <class T>
i32 SampleRow(const T* row, const float* bias, i64 V, const Choice& choice, const Seed& seed, float* values,
              Candidate* candidates) {
  const Peak peak = find_peak(V, [&](i64 i, auto io) HWY_ATTR {
    const Vec logit = io.load(row + i, kNone);
    const Vec value = bias ? hn::Add(logit, io.load(bias + i)) : logit;
    io.store(value, values + i);
    return value;
  });
  if (!peak.usable()) return kNotFinite;
  if (peak.value == kNone) return kNoToken;
  if (choice.temperature == 0) return first_equal(values, V, peak.value);
  const Vec largest = set(peak.value), temperature = set(choice.temperature);
  // The most probable token's weight is 1.
  for_each(V, [&](i64 i, auto io) HWY_ATTR {
    io.store(exp(hn::Div(hn::Sub(io.load(values + i), largest), temperature)), values + i);
  });
  const double u = draw_uniform(seed);
  if (choice.top_k == 0 && choice.top_p == 1) {
    for (i64 id = 0; choice.min_p > 0 && id < V; ++id)
      if (values[id] < choice.min_p) values[id] = 0;
    return draw_token(values, V, u);
  }
  return draw_likely_token(values, V, choice.top_k, choice.top_p, choice.min_p, u, candidates);
}

Status CheckChoices(In temperature, In top_k, In top_p, In min_p) {
  for (i64 t = 0; t < temperature.elements(); ++t) {
    const float heat = temperature.as<float>()[t], top = top_p.as<float>()[t], min = min_p.as<float>()[t];
    const i32 k = top_k.as<i32>()[t];
    const auto fail_option = [&](TokenOption option, auto received) {
      return fail_token_option(t, option, std::bit_cast<i32>(received));
    };
    if (!(heat >= 0 && std::isfinite(heat))) return fail_option(TokenOption::temperature, heat);
    if (k < 0) return fail_option(TokenOption::top_k, k);
    if (!(top > 0 && top <= 1)) return fail_option(TokenOption::top_p, top);
    if (!(min >= 0 && min <= 1)) return fail_option(TokenOption::min_p, min);
  }
  return ok();
}

Status SampleTokens(Context& context, Out ids, In logits, InOptional bias, In temperature, In top_k, In top_p,
                    In min_p, In seeds) {
  if (const Status status = CheckChoices(temperature, top_k, top_p, min_p); status.failed) return status;
  return with_float(logits, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 B = logits.rows(), V = logits.dim(-1);
    i32* found = context.scratch<i32>(B);
    float* values = context.scratch<float>(B * V);
    Candidate* candidates = context.scratch<Candidate>(B * V);
    parallel_for(B, 1, [&](i64 t, i64) HWY_ATTR {
      const Choice choice{temperature.as<float>()[t], top_p.as<float>()[t], min_p.as<float>()[t],
                          top_k.as<i32>()[t]};
      found[t] = SampleRow(logits.as<T>() + t * V, bias.as<float>(), V, choice, Seed::of(seeds, t),
                           values + t * V, candidates + t * V);
    });
    return write_ids(ids, found);
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Argmax);
HWY_EXPORT(SampleTokens);

Status argmax(Context& context, Out ids, In logits) {
  return HWY_DYNAMIC_DISPATCH(Argmax)(context, ids, logits);
}

Status sample_tokens(Context& context, Out ids, In logits, InOptional bias, In temperature, In top_k,
                     In top_p, In min_p, In seeds) {
  return HWY_DYNAMIC_DISPATCH(SampleTokens)(context, ids, logits, bias, temperature, top_k, top_p, min_p,
                                            seeds);
}

}  // namespace transfusion::cpu
#endif
