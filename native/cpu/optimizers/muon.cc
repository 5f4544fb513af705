// The elementwise parts of a Muon step (Jordan et al. 2024); products of matrices make the rest.
//   muon_momentum:   m = beta m + (1 - beta) g,  d = beta m + (1 - beta) g (Nesterov),  direction = d / |d|
//                    with g = factor gradient and |d| the norm of the matrix; zeros when the norm of all
//                    gradients is not finite, and m as it was
//   muon_polynomial: p = constant I + linear gram + quadratic square
//   muon_update:     p -= learning_rate (scale direction + weight_decay p), unless the norm is not finite;
//                    rounded = p in bf16, where it is wanted
// Parallel over fixed chunks; the partial sums of |d| are joined in order, in f64.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizers/muon.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/simd/scalar.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr i64 kChunk = 4096;

Status MuonMomentum(Context& context, State momentum, Out direction, In gradients, In clip, f32 beta) {
  return with_float(direction, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    if (clip.as<float>()[2] == 0) {
      std::memset(direction.data, 0, direction.bytes());
      return ok();
    }
    const i64 n = momentum.elements();
    const float *gradient = gradients.as<float>(), factor = clip.as<float>()[1];
    float* m = momentum.as<float>();
    const Vec beta_vec = set(beta), gradient_weight = set((1 - beta) * factor);
    double* partials = context.scratch<double>(ceil_div(n, kChunk));
    parallel_for(n, kChunk, [&](i64 begin, i64 end) HWY_ATTR {
      Vec squares = zero();
      for_each(end - begin, [&](i64 offset, auto io) HWY_ATTR {
        const i64 i = begin + offset;
        const Vec weighted = hn::Mul(gradient_weight, io.load(gradient + i));
        const Vec next = hn::MulAdd(beta_vec, io.load(m + i), weighted);
        const Vec d = hn::MulAdd(beta_vec, next, weighted);
        squares = hn::MulAdd(d, d, squares);
        io.store(next, m + i);
      });
      partials[begin / kChunk] = sum_of(squares);
    });
    double sum = 0;
    for (i64 chunk = 0; chunk < ceil_div(n, kChunk); ++chunk) sum += partials[chunk];
    const Vec inverse_norm = set(sum == 0 ? 0.0f : static_cast<float>(1 / std::sqrt(sum)));
    parallel_for(n, kChunk, [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 offset, auto io) HWY_ATTR {
        const i64 i = begin + offset;
        const Vec d = hn::MulAdd(beta_vec, io.load(m + i), hn::Mul(gradient_weight, io.load(gradient + i)));
        io.store(hn::Mul(inverse_norm, d), direction.as<T>() + i);
      });
    });
    return ok();
  });
}

Status MuonPolynomial(Context&, Out p, In gram, In square, f32 constant, f32 linear, f32 quadratic) {
  return with_float(gram, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 M = gram.dim(-1);
    const Vec linear_vec = set(linear), quadratic_vec = set(quadratic);
    parallel_for(gram.rows(), row_grain(M), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 row = begin; row < end; ++row) {
        const T *g = gram.as<T>() + row * M, *s = square.as<T>() + row * M;
        T* target = p.as<T>() + row * M;
        for_each(M, [&](i64 i, auto io) HWY_ATTR {
          io.store(hn::MulAdd(quadratic_vec, io.load(s + i), hn::Mul(linear_vec, io.load(g + i))),
                   target + i);
        });
        const i64 i = row % M;
        store_float(constant + linear * to_float(g[i]) + quadratic * to_float(s[i]), target + i);
      }
    });
    return ok();
  });
}

Status MuonUpdate(Context&, State parameters, StateOut rounded, In direction, In clip, f32 learning_rate,
                  f32 scale, f32 weight_decay) {
  if (clip.as<float>()[2] == 0) return ok();
  return with_float(direction, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Vec rate = set(learning_rate * scale), decay_factor = set(1 - learning_rate * weight_decay);
    parallel_for(parameters.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      for_each(end - begin, [&](i64 offset, auto io) HWY_ATTR {
        const i64 i = begin + offset;
        float* p = parameters.as<float>() + i;
        const Vec updated =
            hn::NegMulAdd(rate, io.load(direction.as<T>() + i), hn::Mul(decay_factor, io.load(p)));
        io.store(updated, p);
        if (rounded.present()) io.store(updated, rounded.as<bf16>() + i);
      });
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(MuonMomentum);
HWY_EXPORT(MuonPolynomial);
HWY_EXPORT(MuonUpdate);

Status muon_momentum(Context& context, State momentum, Out direction, In gradients, In clip, f32 beta) {
  return HWY_DYNAMIC_DISPATCH(MuonMomentum)(context, momentum, direction, gradients, clip, beta);
}

Status muon_polynomial(Context& context, Out p, In gram, In square, f32 constant, f32 linear, f32 quadratic) {
  return HWY_DYNAMIC_DISPATCH(MuonPolynomial)(context, p, gram, square, constant, linear, quadratic);
}

Status muon_update(Context& context, State parameters, StateOut rounded, In direction, In clip,
                   f32 learning_rate, f32 scale, f32 weight_decay) {
  return HWY_DYNAMIC_DISPATCH(MuonUpdate)(context, parameters, rounded, direction, clip, learning_rate, scale,
                                          weight_decay);
}

}  // namespace transfusion::cpu
#endif
