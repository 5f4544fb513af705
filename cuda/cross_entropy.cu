// losses[t] = weights[t] (lse[t] - logits[t, labels[t]]),  lse[t] = log sum_v exp(logits[t, v])
// penalties[t] = weights[t] (smoothing (logits[t, labels[t]] - mean_v logits[t, v]) + z_loss lse[t]^2)
// Backward, with p = exp(logits - lse) and dl, dp = weights (dlosses, dpenalties):
//   dlogits[t, v] = (dl + 2 z_loss lse dp) p - smoothing dp / V + [v = labels[t]] (smoothing dp - dl)
// Rows with label -1 have no loss and no gradient. A warp or a block for a row, which is read once. Kept for
// backward: lse, never [T, V]. dlogits may be of another dtype than logits, or lie where they do.
#include "kernel.h"
#include "row_threads.h"
#ifdef __CUDACC__
#include "device/exponents.cuh"
#include "device/failure.cuh"
#else
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

struct CrossEntropyArguments {
  f32 *losses, *penalties, *lse;  // penalties may be null
  const void* logits;
  const i32* labels;
  const f32* weights;  // or null
  i64 rows, columns;
  f32 smoothing, z_loss;
  bool vectors;
  Failures failures;
};

struct CrossEntropyBackwardArguments {
  void* dlogits;
  const f32 *dlosses, *dpenalties;  // dpenalties may be null
  const void* logits;
  const f32* lse;
  const i32* labels;
  const f32* weights;  // or null
  i64 rows, columns;
  f32 smoothing, z_loss;
  bool vectors;
};

#ifdef __CUDACC__

template <class T, class Rows>
__device__ void cross_entropy(const CrossEntropyArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 V = arguments.columns, row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const i32 label = arguments.labels[row];
  const auto write = [&](float loss, float penalty, float log_sum) {
    if (!leads_row<Rows>()) return;
    arguments.losses[row] = loss;
    arguments.lse[row] = log_sum;
    if (arguments.penalties) arguments.penalties[row] = penalty;
  };
  if (label < 0 || label >= V) {
    const bool valid = label == -1;
    if (!valid && leads_row<Rows>()) check_index(arguments.failures, row, label, V);
    const float none = valid ? 0.0f : NAN;
    return write(none, none, none);
  }
  const T* logits = static_cast<const T*>(arguments.logits) + row * V;
  const float of_label = to_float(logits[label]);
  // Differences keep the digits that a sum of large values of one sign would lose. Without smoothing a logit
  // of -infinity costs nothing.
  const bool smoothed = arguments.penalties && arguments.smoothing > 0;
  float differences = 0;
  Exponents exponents;
  for (i64 first = 0; first < V; first += Rows::kColumns) {
    Tile x;
    x.load(logits, first, V, arguments.vectors, -INFINITY);
    add_exponents(exponents, x);
    if (smoothed)
      Tile::for_each([&](int run, int i) {
        if (first + Tile::column(run) + i < V) differences += of_label - x.values[run][i];
      });
  }
  exponents = reduce_exponents<Rows>(exponents);
  const float log_of_sum = logf(exponents.sum), log_sum = exponents.largest + log_of_sum;
  const float weight = arguments.weights ? arguments.weights[row] : 1.0f;
  float penalty = arguments.z_loss * log_sum * log_sum;
  if (smoothed)
    penalty += arguments.smoothing * (reduce_row<Rows>(differences, Sum()) / static_cast<float>(V));
  // Not lse - logit: the difference of two large numbers would lose a small loss.
  write(weight * ((exponents.largest - of_label) + log_of_sum), weight * penalty, log_sum);
}

// Each element is read by the thread that writes it, and before: dlogits may lie where the logits do.
template <class G, class T, class Rows>
__device__ void cross_entropy_backward(const CrossEntropyBackwardArguments& arguments) {
  using Tile = RowTile<T, Rows>;
  const i64 V = arguments.columns, row = first_row<Rows>();
  if (row >= arguments.rows) return;
  const T* logits = static_cast<const T*>(arguments.logits) + row * V;
  const i32 label = arguments.labels[row];
  const float log_sum = arguments.lse[row], weight = arguments.weights ? arguments.weights[row] : 1.0f;
  const float loss = weight * arguments.dlosses[row];
  const float penalty = arguments.dpenalties ? weight * arguments.dpenalties[row] : 0.0f;
  const float z_loss_factor = 2 * arguments.z_loss * log_sum * penalty;
  const float smoothed = arguments.smoothing * penalty, uniform = smoothed / static_cast<float>(V);
  const float factor = loss + z_loss_factor;
  float of_label = 0;
  if (label >= 0 && label < V && Tile::holds(label)) {
    // expm1: p - 1 would lose the digits of a small difference.
    const float log_p = to_float(logits[label]) - log_sum;
    of_label = loss * expm1f(log_p) + z_loss_factor * expf(log_p) + (smoothed - uniform);
  }
  for (i64 first = 0; first < V; first += Rows::kColumns) {
    Tile x;
    if (label >= 0) x.load(logits, first, V, arguments.vectors);
    Tile::for_each([&](int run, int i) {
      float& value = x.values[run][i];
      value = factor * exp_for<G>(value - log_sum) - uniform;
      if (label < 0) value = 0;
      if (first + Tile::column(run) + i == label) value = of_label;
    });
    x.store(static_cast<G*>(arguments.dlogits) + row * V, first, V, arguments.vectors);
  }
}
template <class T, class Rows>
__device__ void cross_entropy_backward_to_f32(const CrossEntropyBackwardArguments& arguments) {
  cross_entropy_backward<f32, T, Rows>(arguments);
}
template <class T, class Rows>
__device__ void cross_entropy_backward_to_bf16(const CrossEntropyBackwardArguments& arguments) {
  cross_entropy_backward<bf16, T, Rows>(arguments);
}

ROW_KERNELS(cross_entropy, CrossEntropyArguments)
ROW_KERNELS(cross_entropy_backward_to_f32, CrossEntropyBackwardArguments)
ROW_KERNELS(cross_entropy_backward_to_bf16, CrossEntropyBackwardArguments)

#else

ROW_KERNELS(forward, CrossEntropyArguments, "cross_entropy", "cross_entropy")
ROW_KERNELS(backward_to_f32, CrossEntropyBackwardArguments, "cross_entropy", "cross_entropy_backward_to_f32")
ROW_KERNELS(backward_to_bf16, CrossEntropyBackwardArguments, "cross_entropy",
            "cross_entropy_backward_to_bf16")

Status cross_entropy(Context& context, Out losses, OutOptional penalties, Out lse, In logits, In labels,
                     InOptional weights, f32 smoothing, f32 z_loss) {
  const i64 rows = logits.rows(), V = logits.dim(-1);
  const bool vectors = aligned_rows({logits.data}, V, logits.dtype);
  return launch(
      context, forward(logits.dtype, V), {row_blocks(rows, V)},
      {losses.as<f32>(), penalties.as<f32>(), lse.as<f32>(), logits.data, labels.as<i32>(), weights.as<f32>(),
       rows, V, smoothing, z_loss, vectors, expect_indices(context, "labels", V)});
}

Status cross_entropy_backward(Context& context, Out dlogits, In dlosses, InOptional dpenalties, In logits,
                              In lse, In labels, InOptional weights, f32 smoothing, f32 z_loss) {
  const i64 rows = logits.rows(), V = logits.dim(-1);
  const auto& backward = dlogits.dtype == DType::bf16 ? backward_to_bf16 : backward_to_f32;
  const bool vectors =
      aligned_rows({dlogits.data}, V, dlogits.dtype) && aligned_rows({logits.data}, V, logits.dtype);
  return launch(context, backward(logits.dtype, V), {row_blocks(rows, V)},
                {dlogits.data, dlosses.as<f32>(), dpenalties.as<f32>(), logits.data, lse.as<f32>(),
                 labels.as<i32>(), weights.as<f32>(), rows, V, smoothing, z_loss, vectors});
}

#endif

}  // namespace transfusion::cuda
