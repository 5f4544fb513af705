// code_usage: of counts [K], used = how many are at least `least`; perplexity = exp(-sum p log p), p = counts
// / their sum, 0 of no counts. restart_codes: counts steps since codes were used, and draws a row for those
// that were not for long; replace_rows: y[i] = x[rows[i]]. No derivatives. The first two are sums and draws
// of K numbers, on one thread; rows are copied in parallel.
#include <cmath>

#include "cpu/cpu.h"
#include "cpu/runtime/check.h"
#include "cpu/runtime/parallel.h"
#include "shared/philox.h"

namespace transfusion::cpu {

Status code_usage(Context&, Out used, Out perplexity, In counts, f32 least) {
  const float* of = counts.as<float>();
  const i64 K = counts.elements();
  double total = 0, codes = 0, entropy = 0;  // of many small terms in a row
  for (i64 k = 0; k < K; ++k) {
    total += of[k];
    codes += of[k] >= least ? 1.0f : 0 * of[k];  // a NaN stays a NaN
  }
  for (i64 k = 0; k < K; ++k) {
    const double p = of[k] / total;
    if (of[k] != 0) entropy -= p * std::log(p);
  }
  used.as<float>()[0] = static_cast<float>(codes);
  perplexity.as<float>()[0] = total == 0 ? 0 : static_cast<float>(std::exp(entropy));
  return ok();
}

Status restart_codes(Context&, State unused, State recent, Out rows, In counts, In taken, In seeds,
                     i64 candidates, i64 restart_after, f32 decay) {
  const Seed seed = Seed::of(seeds, 0);
  const bool applies = taken.as<float>()[0] != 0;
  for (i64 k = 0, K = counts.elements(); k < K; ++k) {
    i32& row = rows.as<i32>()[k] = -1;
    if (!applies) continue;
    const float count = counts.as<float>()[k];
    i32& steps = unused.as<i32>()[k];
    steps = count > 0 ? 0 : steps + (steps < INT32_MAX);
    recent.as<float>()[k] = decay * recent.as<float>()[k] + count;
    if (steps < restart_after || candidates == 0) continue;
    row = drawn_index(seed, k, candidates);
    steps = 0;
  }
  return ok();
}

Status replace_rows(Context&, State y, In x, In rows) {
  if (const Status status = check_indices(rows, x.dim(0), "rows"); status.failed) return status;
  const i64 C = y.dim(-1);
  parallel_for(rows.elements(), row_grain(C), [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i)
      if (const i64 row = rows.as<i32>()[i]; row >= 0)
        std::copy_n(x.as<float>() + row * C, C, y.as<float>() + i * C);
  });
  return ok();
}

}  // namespace transfusion::cpu
