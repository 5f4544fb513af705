// y[p, c] = f(h),  h = n weight[c] + bias[c],  n = (x[p, c] - mean) rstd,  f silu or nothing, with mean and
// rstd = 1 / sqrt(variance + eps) over all positions p of one image and the channels of c's group.
// Backward, with dh = dy f'(h), g = dh weight and means over the same:  dx = rstd (g - mean(g) - n mean(g
// n)), dweight += sum dh n,  dbias += sum dh. Parallel over images, or where they are few over chunks of
// positions, cut by the image's shape alone, whose moments and sums are joined in order. Kept: mean, rstd.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norms/group_norm.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/norms/group_chunks.h"
#include "cpu/simd/math.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// moments [2 G]: the mean of each group in one chunk, then the sum of squared distances from it.
// columns [2 C]: scratch.
template <class T>
void ChunkMoments(const GroupChunks& s, float* moments, float* columns, const T* x, i64 positions) {
  float* means = columns + s.C;
  std::fill_n(columns, s.C, 0.0f);
  ForEachVector(0, positions, s.C, [&](i64 c, auto io, i64 place, auto rows) HWY_ATTR {
    Vec sum = io.load(columns + c);
    for (int row = 0; row < rows; ++row) {
      const T* at = x + place + row * s.C;
      hwy::Prefetch(at + rows * s.C);
      sum = hn::Add(sum, io.load(at));
    }
    io.store(sum, columns + c);
  });
  for (i64 g = 0; g < s.G; ++g) {
    const float sum = sum_run(columns + g * s.channels, s.channels);
    moments[g] = sum / static_cast<float>(positions * s.channels);
    std::fill_n(means + g * s.channels, s.channels, moments[g]);
  }
  std::fill_n(columns, s.C, 0.0f);
  ForEachVector(0, positions, s.C, [&](i64 c, auto io, i64 place, auto rows) HWY_ATTR {
    const Vec mean = io.load(means + c);
    Vec squares = io.load(columns + c);
    for (int row = 0; row < rows; ++row) {
      const Vec distance = hn::Sub(io.load(x + place + row * s.C), mean);
      squares = hn::MulAdd(distance, distance, squares);
    }
    io.store(squares, columns + c);
  });
  for (i64 g = 0; g < s.G; ++g) moments[s.G + g] = sum_run(columns + g * s.channels, s.channels);
}

// Joins the chunks' moments of one group (Chan, Golub and LeVeque, 1979).
void JoinMoments(const GroupChunks& s, const float* moments, i64 g, float eps, float* mean, float* rstd) {
  double count = 0, middle = 0, squares = 0;
  for (i64 chunk = 0; chunk < s.chunks; ++chunk) {
    const float* part = moments + chunk * 2 * s.G;
    const double added = static_cast<double>(std::min(s.positions, s.P - chunk * s.positions) * s.channels);
    const double distance = part[g] - middle, total = count + added;
    middle += distance * added / total;
    squares += part[s.G + g] + distance * distance * count * added / total;
    count = total;
  }
  *mean = static_cast<float>(middle);
  *rstd = static_cast<float>(1 / std::sqrt(squares / std::max(count, 1.0) + eps));
}

Status GroupNorm(Context& context, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const GroupChunks s(x, mean);
    float* moments = context.scratch<float>(s.N * s.chunks * 2 * s.G);
    float* columns = context.scratch<float>(s.N * s.chunks * 2 * s.C);
    // Of each image: h = x factor[c] + shift[c].
    float* channel_stats = context.scratch<float>(s.N * 2 * s.C);
    const auto reduce = [&](i64 chunk, i64, i64 first, i64 positions) HWY_ATTR {
      ChunkMoments(s, moments + chunk * 2 * s.G, columns + chunk * 2 * s.C, x.as<T>() + first, positions);
    };
    const auto finalize = [&](i64 image) HWY_ATTR {
      float* factors = channel_stats + image * 2 * s.C;
      float* shifts = factors + s.C;
      for (i64 g = 0; g < s.G; ++g) {
        float* middle = mean.as<float>() + image * s.G + g;
        float* factor = rstd.as<float>() + image * s.G + g;
        JoinMoments(s, moments + image * s.chunks * 2 * s.G, g, eps, middle, factor);
        std::fill_n(shifts + g * s.channels, s.channels, *middle);
        std::fill_n(factors + g * s.channels, s.channels, *factor);
      }
      for_each(s.C, [&](i64 c, auto io) HWY_ATTR {
        const Vec factor = hn::Mul(io.load(factors + c), io.load(weight.as<T>() + c));
        io.store(factor, factors + c);
        io.store(hn::NegMulAdd(io.load(shifts + c), factor, io.load(bias.as<T>() + c)), shifts + c);
      });
    };
    const auto apply = [&](i64, i64 image, i64 first, i64 positions) HWY_ATTR {
      const float* factors = channel_stats + image * 2 * s.C;
      const float* shifts = factors + s.C;
      ForEachVector(first, positions, s.C, [&](i64 c, auto io, i64 place, auto rows) HWY_ATTR {
        const Vec factor = io.load(factors + c), shift = io.load(shifts + c);
        for (int row = 0; row < rows; ++row) {
          const i64 at = place + row * s.C;
          io.store(activate<T>(hn::MulAdd(io.load(x.as<T>() + at), factor, shift), silu), y.as<T>() + at);
        }
      });
    };
    s.run(reduce, finalize, apply);
    return ok();
  });
}

// Per-channel values that the gradients of one image need.
struct ChannelStats {
  float *middle, *factor, *mean_g, *mean_product;

  ChannelStats(float* channel_stats, i64 image, i64 C)
      : middle(channel_stats + image * 4 * C),
        factor(middle + C),
        mean_g(factor + C),
        mean_product(mean_g + C) {}
};

// dh and n of single elements, and the per-channel values that they follow from.
template <class T>
struct GroupGradient {
  const T *x, *dy, *weight, *bias;
  bool silu;

  struct Channels {
    Vec middle, factor, weight, bias;
  };
  struct Place {
    Vec normal, dh;
  };

  template <class Io>
  HWY_INLINE Channels channels(const ChannelStats& channel_stats, i64 c, Io io) const {
    return {io.load(channel_stats.middle + c), io.load(channel_stats.factor + c), io.load(weight + c),
            io.load(bias + c)};
  }
  template <class Io>
  HWY_INLINE Place at(const Channels& of, i64 place, Io io) const {
    const Vec normal = hn::Mul(hn::Sub(io.load(x + place), of.middle), of.factor);
    return {normal, activate_backward<T>(io.load(dy + place), hn::MulAdd(normal, of.weight, of.bias), silu)};
  }
};

Status GroupNormBackward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                         In mean, In rstd, bool silu) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const GroupChunks s(x, mean);
    const GroupGradient<T> gradient{x.as<T>(), dy.as<T>(), weight.as<T>(), bias.as<T>(), silu};
    float* channel_stats = context.scratch<float>(s.N * 4 * s.C);
    for (i64 image = 0; image < s.N; ++image) {
      const ChannelStats stats(channel_stats, image, s.C);
      for (i64 g = 0; g < s.G; ++g) {
        std::fill_n(stats.middle + g * s.channels, s.channels, mean.as<float>()[image * s.G + g]);
        std::fill_n(stats.factor + g * s.channels, s.channels, rstd.as<float>()[image * s.G + g]);
      }
    }
    // Of each chunk, and then of each image: its terms of dweight and of dbias.
    float* partials = context.scratch<float>(s.N * s.chunks * 2 * s.C);
    float* totals = context.scratch<float>(s.N * 2 * s.C);
    const auto reduce = [&](i64 chunk, i64 image, i64 first, i64 positions) HWY_ATTR {
      const ChannelStats stats(channel_stats, image, s.C);
      float* products = partials + chunk * 2 * s.C;
      float* sums = products + s.C;
      std::fill_n(products, 2 * s.C, 0.0f);
      ForEachVector(first, positions, s.C, [&](i64 c, auto io, i64 place, auto rows) HWY_ATTR {
        const auto channels = gradient.channels(stats, c, io);
        Vec product = io.load(products + c), sum = io.load(sums + c);
        for (int row = 0; row < rows; ++row) {
          const auto [normal, dh] = gradient.at(channels, place + row * s.C, io);
          product = hn::MulAdd(dh, normal, product);
          sum = hn::Add(dh, sum);
        }
        io.store(product, products + c);
        io.store(sum, sums + c);
      });
    };
    const auto finalize = [&](i64 image) HWY_ATTR {
      float* total = totals + image * 2 * s.C;
      std::fill_n(total, 2 * s.C, 0.0f);
      for (i64 chunk = image * s.chunks; chunk < (image + 1) * s.chunks; ++chunk)
        for_each(2 * s.C, [&](i64 i, auto io) HWY_ATTR {
          io.store(hn::Add(io.load(total + i), io.load(partials + chunk * 2 * s.C + i)), total + i);
        });
      const ChannelStats stats(channel_stats, image, s.C);
      for (i64 g = 0; g < s.G; ++g) {
        const i64 begin = g * s.channels;
        Vec product = zero(), sum = zero();
        for_each(s.channels, [&](i64 c, auto io) HWY_ATTR {
          const Vec w = io.load(weight.as<T>() + begin + c);
          product = hn::MulAdd(w, io.load(total + begin + c), product);
          sum = hn::MulAdd(w, io.load(total + s.C + begin + c), sum);
        });
        const auto count = static_cast<float>(s.P * s.channels);
        std::fill_n(stats.mean_product + begin, s.channels, sum_of(product) / count);
        std::fill_n(stats.mean_g + begin, s.channels, sum_of(sum) / count);
      }
    };
    const auto apply = [&](i64, i64 image, i64 first, i64 positions) HWY_ATTR {
      const ChannelStats stats(channel_stats, image, s.C);
      ForEachVector(first, positions, s.C, [&](i64 c, auto io, i64 place, auto rows) HWY_ATTR {
        const auto channels = gradient.channels(stats, c, io);
        const Vec mean_g = io.load(stats.mean_g + c), mean_product = io.load(stats.mean_product + c);
        for (int row = 0; row < rows; ++row) {
          const auto [normal, dh] = gradient.at(channels, place + row * s.C, io);
          const Vec g = hn::Mul(dh, channels.weight);
          const Vec rest = hn::NegMulAdd(normal, mean_product, hn::Sub(g, mean_g));
          io.store(hn::Mul(channels.factor, rest), dx.as<T>() + place + row * s.C);
        }
      });
    };
    s.run(reduce, finalize, apply);
    const auto add_totals = [&](const Acc& target, const float* first) {
      if (!target.present()) return;
      for (i64 image = 0; image < s.N; ++image)
        for (i64 c = 0; c < s.C; ++c) target.as<float>()[c] += first[image * 2 * s.C + c];
    };
    add_totals(dweight, totals);
    add_totals(dbias, totals + s.C);
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(GroupNorm);
HWY_EXPORT(GroupNormBackward);

Status group_norm(Context& context, Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu) {
  return HWY_DYNAMIC_DISPATCH(GroupNorm)(context, y, mean, rstd, x, weight, bias, eps, silu);
}

Status group_norm_backward(Context& context, Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias,
                           In mean, In rstd, bool silu) {
  return HWY_DYNAMIC_DISPATCH(GroupNormBackward)(context, dx, dweight, dbias, dy, x, weight, bias, mean, rstd,
                                                 silu);
}

}  // namespace transfusion::cpu
#endif
