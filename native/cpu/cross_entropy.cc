// losses[t] = weights[t] (lse[t] - logits[t, labels[t]]),  lse[t] = log sum_v exp(logits[t, v])
// Backward: dlogits[t, v] = dlosses[t] weights[t] (exp(logits[t, v] - lse[t]) - [v = labels[t]])
// Rows with label -1 have no loss and no gradient. Parallel over rows. Kept for backward: lse, never [T, V].
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cross_entropy.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/check.h"
#include "cpu/cpu.h"
#include "cpu/math.h"
#include "cpu/scalar.h"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

float WeightOf(InOptional weights, i64 t) { return weights.present() ? weights.as<float>()[t] : 1.0f; }

Status CrossEntropy(Context&, Out losses, Out lse, In logits, In labels, InOptional weights) {
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
          continue;
        }
        const T* row = logits.as<T>() + t * V;
        const RowExponents exponents = row_exponents(row, V);
        const float log_of_sum = std::log(exponents.sum);
        log_sum = exponents.largest + log_of_sum;
        // Not lse - logit: the difference of two large numbers would lose a small loss.
        loss = WeightOf(weights, t) * ((exponents.largest - to_float(row[label])) + log_of_sum);
      }
    });
    return ok();
  });
}

Status CrossEntropyBackward(Context&, Out dlogits, In dlosses, In logits, In lse, In labels,
                            InOptional weights) {
  return with_float(logits, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 V = logits.dim(-1);
    parallel_for(logits.rows(), row_grain(V), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const i32 label = labels.as<i32>()[t];
        const T* row = logits.as<T>() + t * V;
        T* gradients = dlogits.as<T>() + t * V;
        if (label < 0) {
          std::memset(static_cast<void*>(gradients), 0, static_cast<size_t>(V) * sizeof(T));
          continue;
        }
        const float factor = dlosses.as<float>()[t] * WeightOf(weights, t), log_sum = lse.as<float>()[t];
        const Vec factors = set(factor), log_sums = set(log_sum);
        for_each(V, [&](i64 v, auto io) HWY_ATTR {
          io.store(hn::Mul(factors, exp(hn::Sub(io.load(row + v), log_sums))), gradients + v);
        });
        store_float(factor * std::expm1(to_float(row[label]) - log_sum), gradients + label);
      }
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(CrossEntropy);
HWY_EXPORT(CrossEntropyBackward);

Status cross_entropy(Context& context, Out losses, Out lse, In logits, In labels, InOptional weights) {
  if (const Status status = check_indices(labels, logits.dim(-1), "labels"); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(CrossEntropy)(context, losses, lse, logits, labels, weights);
}

Status cross_entropy_backward(Context& context, Out dlogits, In dlosses, In logits, In lse, In labels,
                              InOptional weights) {
  return HWY_DYNAMIC_DISPATCH(CrossEntropyBackward)(context, dlogits, dlosses, logits, lse, labels, weights);
}

}  // namespace transfusion::cpu
#endif
