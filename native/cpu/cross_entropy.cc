// losses[t] = weights[t] (lse[t] - logits[t, labels[t]]),  lse[t] = log sum_v exp(logits[t, v])
// penalties[t] = weights[t] (smoothing (logits[t, labels[t]] - mean_v logits[t, v]) + z_loss lse[t]^2):
// losses + penalties have smoothed labels (Szegedy et al. 2016) and a z-loss (PaLM, section 5).
// Backward, with p = exp(logits - lse) and dl, dp = weights (dlosses, dpenalties):
//   dlogits[t, v] = (dl + 2 z_loss lse dp) p - smoothing dp / V + [v = labels[t]] (smoothing dp - dl)
// Rows with label -1 have no loss and no gradient. Parallel over rows. Kept for backward: lse, never [T, V].
// dlogits may be of another dtype than logits, or lie where they do.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cross_entropy.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/runtime/check.h"
#include "cpu/simd/math.h"
#include "cpu/simd/scalar.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

float WeightOf(InOptional weights, i64 t) { return weights.present() ? weights.as<float>()[t] : 1.0f; }

// The mean of v - x over a row: differences keep the digits that a sum of large values of one sign would
// lose.
template <class T>
float MeanDifference(float v, const T* x, i64 n) {
  const Vec from = set(v);
  Vec sum = zero();
  for_each(n, [&](i64 i, auto io) HWY_ATTR { sum = hn::Add(sum, hn::Sub(from, io.load(x + i, v))); });
  return sum_of(sum) / static_cast<float>(n);
}

Status CrossEntropy(Context&, Out losses, OutOptional penalties, Out lse, In logits, In labels,
                    InOptional weights, f32 smoothing, f32 z_loss) {
  return with_float(logits, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 V = logits.dim(-1);
    parallel_for(logits.rows(), row_grain(V), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const i32 label = labels.as<i32>()[t];
        float& loss = losses.as<float>()[t];
        float& log_sum = lse.as<float>()[t];
        if (label < 0) {
          loss = log_sum = 0;
          if (penalties.present()) penalties.as<float>()[t] = 0;
          continue;
        }
        const T* row = logits.as<T>() + t * V;
        const RowExponents exponents = row_exponents(row, V);
        const float log_of_sum = std::log(exponents.sum);
        log_sum = exponents.largest + log_of_sum;
        // Not lse - logit: the difference of two large numbers would lose a small loss.
        loss = WeightOf(weights, t) * ((exponents.largest - to_float(row[label])) + log_of_sum);
        if (!penalties.present()) continue;
        // Without smoothing a logit of -infinity costs nothing.
        const float smoothed =
            smoothing > 0 ? smoothing * MeanDifference(to_float(row[label]), row, V) : 0.0f;
        penalties.as<float>()[t] = WeightOf(weights, t) * (smoothed + z_loss * log_sum * log_sum);
      }
    });
    return ok();
  });
}

template <class G, class T>
void LossGradients(G* gradients, const T* row, i64 V, i32 label, float log_sum, float loss, float penalty,
                   float smoothing, float z_loss) {
  const float z_loss_factor = 2 * z_loss * log_sum * penalty, smoothed = smoothing * penalty;
  const float uniform = smoothed / static_cast<float>(V);
  const float log_p = to_float(row[label]) - log_sum;
  const Vec factors = set(loss + z_loss_factor), subtracted = set(uniform), log_sums = set(log_sum);
  for_each(V, [&](i64 v, auto io) HWY_ATTR {
    const Vec p = exp_for<G>(hn::Sub(io.stream(row + v), log_sums));
    io.store(hn::MulSub(factors, p, subtracted), gradients + v);
  });
  // expm1: p - 1 would lose the digits of a small difference.
  store_float(loss * std::expm1(log_p) + z_loss_factor * std::exp(log_p) + (smoothed - uniform),
              gradients + label);
}

Status CrossEntropyBackward(Context&, Out dlogits, In dlosses, InOptional dpenalties, In logits, In lse,
                            In labels, InOptional weights, f32 smoothing, f32 z_loss) {
  const i64 V = logits.dim(-1);
  return with_float(logits, [&](auto element) HWY_ATTR {
    return with_float(dlogits, [&](auto gradient) HWY_ATTR {
      using T = decltype(element);
      using G = decltype(gradient);
      parallel_for(logits.rows(), row_grain(V), [&](i64 begin, i64 end) HWY_ATTR {
        for (i64 t = begin; t < end; ++t) {
          const i32 label = labels.as<i32>()[t];
          G* gradients = dlogits.as<G>() + t * V;
          if (label < 0) {
            std::memset(static_cast<void*>(gradients), 0, static_cast<size_t>(V) * sizeof(G));
            continue;
          }
          const float weight = WeightOf(weights, t);
          const float penalty = dpenalties.present() ? weight * dpenalties.as<float>()[t] : 0.0f;
          LossGradients(gradients, logits.as<T>() + t * V, V, label, lse.as<float>()[t],
                        weight * dlosses.as<float>()[t], penalty, smoothing, z_loss);
        }
      });
      return ok();
    });
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(CrossEntropy);
HWY_EXPORT(CrossEntropyBackward);

Status cross_entropy(Context& context, Out losses, OutOptional penalties, Out lse, In logits, In labels,
                     InOptional weights, f32 smoothing, f32 z_loss) {
  if (const Status status = check_indices(labels, logits.dim(-1), "labels"); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(CrossEntropy)(context, losses, penalties, lse, logits, labels, weights,
                                            smoothing, z_loss);
}

Status cross_entropy_backward(Context& context, Out dlogits, In dlosses, InOptional dpenalties, In logits,
                              In lse, In labels, InOptional weights, f32 smoothing, f32 z_loss) {
  return HWY_DYNAMIC_DISPATCH(CrossEntropyBackward)(context, dlogits, dlosses, dpenalties, logits, lse,
                                                    labels, weights, smoothing, z_loss);
}

}  // namespace transfusion::cpu
#endif
