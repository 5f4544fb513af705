// THE CONTRACT: every kernel, declared once. This list alone makes the table of kernels that a backend fills
// (backend.h), the declarations of those of the CPU (cpu/cpu.h), the N-API registration (addon.cc) and the
// TypeScript types (lib/kernels.generated.ts).
// Outputs first, then inputs, then scalars. `d` prefix: gradient; `_backward` suffix: the gradient kernel.
//
// Floating-point tensors of one call share one dtype (f32 or bf16) unless said otherwise; statistics, losses,
// per-image coefficients and Acc are f32, ids, rows, sizes and seeds i32. Accumulation is always in f32.
// Dimension letters: B batch, T tokens, C channels (model width), F feed-forward width, H heads, G key/value
// heads, D head size, V vocabulary, N images, S pixels of all images in a row, P patches of all images.
#pragma once

#include "kernel_types.h"

// clang-format off
#define KERNELS(K) \
  /* elementwise.cc: broadcasting as in NumPy, rank <= 6 */ \
  K(fill,                   (Out y, f32 value)) \
  K(zero,                   (Part y)) \
  K(cast,                   (OutAny y, InAny x))  /* any dtype to any float dtype; floats to int8, q8_0, q4_0, q4_1; same dtype copies */ \
  K(add,                    (Out y, In a, In b)) \
  K(mul,                    (Out y, In a, In b))  /* y f32 may take bf16 a, b, here and in add */ \
  K(scale,                  (Out y, In x, f32 factor)) \
  K(accumulate,             (InOut y, In x))  /* y += x, same shape; dtypes may differ */ \
  /* reduce.cc: same rank, reduced axes have size 1 */ \
  K(sum_to,                 (Out y, In x, f32 scale)) \
  K(broadcast_to,           (Out y, In x, f32 scale)) \
  K(sum_rows,               (Acc y, In x))  /* y [C] += sum over rows of x [T, C] */ \
  /* layout.cc: an axis in the middle: [outer, n, inner] */ \
  K(concat,                 (Out y, InList xs)) \
  K(slice,                  (Out y, In x, i64 start)) \
  /* transpose.cc: two axes of any tensor change places */ \
  K(transpose,              (Out y, In x, i64 axis0, i64 axis1)) \
  /* matmul.cc: a [M, K] or [B, M, K] (transposed: [K, M]), b alike; bias [N]; y f32 may take bf16 a, b */ \
  K(matmul,                 (Out y, In a, In b, InOptional bias, bool transpose_a, bool transpose_b)) \
  K(matmul_accumulate,      (Acc y, In a, In b, bool transpose_a, bool transpose_b)) \
  K(matmul_part,            (Part y, In a, In b, bool transpose_a, bool transpose_b))  /* what is accumulated to next */ \
  /* quantized_matmul.cc: x [M, K] f32 or bf16, w [N, K] of a block dtype, bias [N] of x's dtype; y [M, N] f32 or x's dtype */ \
  K(quantized_matmul,       (Out y, In x, InAny w, InOptional bias)) \
  /* embedding.cc: ids [T], -1 gives a row of zeros; weight [V, C], y [T, C]; of a block dtype: y f32 or bf16 */ \
  K(embedding,              (Out y, InAny weight, In ids)) \
  K(embedding_backward,     (Acc dweight, In dy, In ids)) \
  /* rows.cc: x [R, C], y [T, C], rows i32; -1: zeros when gathered, skipped when scattered */ \
  K(gather_rows,            (Out y, In x, In rows)) \
  K(scatter_add_rows,       (InOut y, In x, In rows))  /* y[rows[i]] += x[i]; y f32 or x's dtype */ \
  K(write_rows,             (InOut y, In x, In rows))  /* y[rows[i]] = x[i] */ \
  /* rms_norm.cc: x [T, C], weight [C], rstd [T] f32 */ \
  K(rms_norm,               (Out y, Out rstd, In x, In weight, f32 eps)) \
  K(rms_norm_backward,      (Out dx, Acc dweight, In dy, In x, In weight, In rstd)) \
  /* rope.cc: table [T, D] f32 = cos (D/2), then sin (D/2); qkv [T, H + 2 G, D] -> q [T, H, D], k, v [T, G, D] */ \
  K(rope_table,             (Out table, In positions, In frequencies, In axes)) /* positions [T, A] f32, frequencies [D/2] f32, axes [D/2] i32 */ \
  K(split_rope,             (Out q, Out k, Out v, In qkv, In table)) \
  K(split_rope_backward,    (Out dqkv, In dq, In dk, In dv, In table)) \
  /* split_norm_rope.cc: as split_rope of qkv [R, H + 2 G, D], whose row r becomes row rows[r] of q, k and v, by that row of \
     the table; where there are weights [D], RMSNorm of each head of q and of k comes first; rstd [R, H + G] f32 of them */ \
  K(split_norm_rope,        (Part q, Part k, Part v, OutOptional rstd, In qkv, In table, InOptional rows, InOptional query_weight, InOptional key_weight, f32 eps)) \
  K(split_norm_rope_backward, (Out dqkv, Acc dquery_weight, Acc dkey_weight, In dq, In dk, In dv, In table, InOptional rows, InOptional qkv, InOptional query_weight, InOptional key_weight, InOptional rstd)) \
  /* attention.cc: q [T, H, D], k, v [K, G, D], lse [H, T] f32; the rest i32: key_start, key_end [T] in key \
     positions of the query's own sequence, query_rows, key_rows [B + 1]; y_lo [T, H, D]: what rounding y to \
     bf16 lost */ \
  K(attention,              (Out y, OutOptional y_lo, Out lse, In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale)) \
  K(attention_backward,     (Out dq, Out dk, Out dv, In dy, In y, InOptional y_lo, In lse, In q, In k, In v, In key_start, In key_end, In query_rows, In key_rows, f32 scale)) \
  /* conv2d.cc: x [N, H, W, C], weight [O, Kh, Kw, C / groups], bias [O] or [N, O], residual like y -> y [N, Ho, Wo, O]; padding: above and left, y's size tells that below and right */ \
  K(conv2d,                 (Out y, In x, In weight, InOptional bias, InOptional residual, i64 stride, i64 padding, i64 groups)) \
  K(conv2d_backward_input,  (Out dx, In dy, In weight, i64 stride, i64 padding, i64 groups)) \
  K(conv2d_backward_weight, (Acc dweight, In dy, In x, i64 stride, i64 padding, i64 groups)) \
  /* group_norm.cc: x [N, .., C], weight, bias [C]; mean, rstd [N, groups] f32; silu: of the result */ \
  K(group_norm,             (Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu)) \
  K(group_norm_backward,    (Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias, In mean, In rstd, bool silu)) \
  /* layer_norm.cc: x [T, C], weight, bias [C]; mean, rstd [T] f32; silu: of the result */ \
  K(layer_norm,             (Out y, Out mean, Out rstd, In x, In weight, In bias, f32 eps, bool silu)) \
  K(layer_norm_backward,    (Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, In bias, In mean, In rstd, bool silu)) \
  /* resample.cc: [N, H, W, C] <-> [N, factor H, factor W, C] */ \
  K(upsample_nearest,       (Out y, In x, f32 scale))  /* every pixel of a block of y = scale x */ \
  K(sum_pool,               (Out y, In x, f32 scale))  /* y = scale (sum of a block of x) */ \
  /* leaky_relu.cc: y = x, or slope x below 0; slope of at least 0, so that y's sign is that of x */ \
  K(leaky_relu,             (Out y, In x, f32 slope)) \
  K(leaky_relu_backward,    (Out dx, In dy, In y, f32 slope)) \
  /* max_pool.cc: [N, H, W, C] -> [N, floor(H / window), floor(W / window), C] */ \
  K(max_pool,               (Out y, In x, i64 window)) \
  K(max_pool_backward,      (Out dx, In dy, In x, i64 window)) \
  /* perceptual_distance.cc: features a, b [N, h, w, C], weight [C] f32 -> losses [N] f32 */ \
  K(perceptual_distance,          (Out losses, In a, In b, In weight)) \
  K(perceptual_distance_backward, (Out da, In dlosses, In a, In b, In weight)) \
  /* silu.cc, swiglu.cc: x [T, 2 F] = gate, up; y [T, F] = silu(gate) up */ \
  K(silu,                   (Out y, In x)) \
  K(silu_backward,          (Out dx, In dy, In x)) \
  K(swiglu,                 (Out y, In x)) \
  K(swiglu_backward,        (Out dx, In dy, In x)) \
  /* softmax.cc: over the last axis */ \
  K(softmax,                (Out y, In x)) \
  K(softmax_backward,       (Out dx, In dy, In y)) \
  /* cross_entropy.cc: logits [T, V]; labels [T] i32, -1 ignored; weights [T]; losses, lse [T] f32; \
     penalties [T] f32: of label smoothing and z-loss; dlogits of any float dtype, or in logits' place */ \
  K(cross_entropy,          (Out losses, OutOptional penalties, Out lse, In logits, In labels, InOptional weights, f32 smoothing, f32 z_loss)) \
  K(cross_entropy_backward, (Out dlogits, In dlosses, InOptional dpenalties, In logits, In lse, In labels, InOptional weights, f32 smoothing, f32 z_loss)) \
  /* sampling.cc: ids [B] i32, logits [B, V]; bias [V] f32 added; temperature (0: greedy), top_p, min_p \
     (0: off) [B] f32, top_k [B] i32 (0: off); seeds [B, 4] i32 */ \
  K(argmax,                 (Out ids, In logits)) \
  K(sample_tokens,          (Out ids, In logits, InOptional bias, In temperature, In top_k, In top_p, In min_p, In seeds)) \
  /* patchify.cc: pixels [S, C], sizes [N, 2] i32 = height, width of each image; patches [P, patch^2 C] */ \
  K(patchify,               (Out patches, In pixels, In sizes, i64 patch)) \
  K(unpatchify,             (Out pixels, In patches, In sizes, i64 patch)) \
  /* timestep_embedding.cc: t [N] f32 -> y [N, C]: cos (C/2), then sin (C/2) */ \
  K(timestep_embedding,     (Out y, In t, f32 max_period)) \
  /* noise.cc: image i owns rows image_rows[i] .. image_rows[i + 1] of [S, C]; seeds [N, 4] i32 = key (lo, hi), \
     stream (lo, hi) of Philox4x32-10; the other per-image arguments [N] f32 */ \
  K(normal,                 (Out y, In image_rows, In seeds, f32 scale)) \
  K(add_noise,              (Out xt, In x0, In image_rows, In alpha, In sigma, In seeds)) /* xt = alpha x0 + sigma eps */ \
  /* diffusion_loss.cc: losses[i] = weight[i] mean((prediction - (target_x0[i] x0 + target_eps[i] eps))^2), eps regenerated */ \
  K(diffusion_loss,          (Out losses, In prediction, In x0, In image_rows, In target_x0, In target_eps, In weight, In seeds)) \
  K(diffusion_loss_backward, (Out dprediction, In dlosses, In prediction, In x0, In image_rows, In target_x0, In target_eps, In weight, In seeds)) \
  /* denoise.cc: prediction = unconditional + guidance (conditional - unconditional); \
     x0 = clip(from_x x + from_prediction prediction); \
     y = x_coeff x + x0_coeff x0 + previous_x0_coeff previous_x0 + noise_coeff eps; coefficients [N, 7] f32 = \
     guidance, from_x, from_prediction, x_coeff, x0_coeff, previous_x0_coeff, noise_coeff */ \
  K(denoise,                (Out y, Out x0, In x, In conditional, InOptional unconditional, InOptional previous_x0, In image_rows, In coefficients, In seeds, f32 clip_min, f32 clip_max)) \
  /* pixel_error.cc: y, x [N, ..]; losses [N] f32 = mean of |y - x|, or where squared of (y - x)^2, over an image's values */ \
  K(pixel_error,            (Out losses, In y, In x, bool squared)) \
  K(pixel_error_backward,   (Out dy, In dlosses, In y, In x, bool squared)) \
  /* sample_latents.cc: moments [N, .., 2 L] = mean, log-variance (L each), the latter clamped to -30 .. 20; \
     z [N, .., L] = mean + exp(log-variance / 2) eps, eps that of normal; \
     kl [N] f32 = sum over the latent of (mean^2 + exp(log-variance) - 1 - log-variance) / 2 */ \
  K(sample_latents,          (Out z, Out kl, In moments, In seeds)) \
  K(sample_latents_backward, (Out dmoments, In dz, In dkl, In moments, In seeds)) \
  /* codebook.cc: counts [K] f32 = how often each of K codes was used; used, perplexity [1] f32 = codes with a count of at \
     least `least`; exp(-sum p log p), p = counts / their sum. restart_codes, where taken [1] f32 is not 0: unused [K] i32 = \
     steps since a code was used, recent [K] f32 = decay recent + counts; rows [K] i32: one drawn of `candidates` by seeds \
     [.., 4] for a code that was unused for restart_after steps, which is 0 steps now; else -1 */ \
  K(code_usage,             (Out used, Out perplexity, In counts, f32 least)) \
  K(restart_codes,          (State unused, State recent, Out rows, In counts, In taken, In seeds, i64 candidates, i64 restart_after, f32 decay)) \
  K(replace_rows,           (State y, In x, In rows))  /* y [R, C], x [T, C] f32: y[i] = x[rows[i]], where rows[i] is not -1 */ \
  /* optimizer.cc: flat f32 arenas; clip [3] = norm, factor, 1 if the norm is finite (else adamw does nothing) */ \
  K(gradient_norm,          (Out clip, In gradients, f32 max_norm)) \
  K(count_step,             (State steps, In clip))  /* steps [1] i32: adds clip[2] */ \
  K(adamw,                  (State parameters, StateOut rounded, State first_moment, State second_moment, In gradients, In clip, In steps, f32 learning_rate, f32 beta1, f32 beta2, f32 epsilon, f32 weight_decay)) /* rounded: parameters in bf16; steps: this one counted */ \
  /* muon.cc: one matrix [M, N] or a batch of them [B, M, N]; momentum, gradients, parameters f32, the others \
     f32 or bf16 */ \
  K(muon_momentum,          (State momentum, Out direction, In gradients, In clip, f32 beta)) \
  K(muon_polynomial,        (Out p, In gram, In square, f32 constant, f32 linear, f32 quadratic)) /* square = gram gram [B, M, M]; p = constant I + linear gram + quadratic square */ \
  K(muon_update,            (State parameters, StateOut rounded, In direction, In clip, f32 learning_rate, f32 scale, f32 weight_decay)) /* rounded: as adamw's */ \
  /* ema.cc: flat f32 arenas; updates [1] i32, counted by ema */ \
  K(ema,                    (State average, State updates, In values, f32 max_decay)) \
  K(swap,                   (State a, State b))
// clang-format on

namespace transfusion {

#define TRANSFUSION_UNPAREN(...) __VA_ARGS__

// One pointer per kernel.
struct KernelTable {
#define K(name, arguments) Status (*name)(Context&, TRANSFUSION_UNPAREN arguments) = nullptr;
  KERNELS(K)
#undef K
};

}  // namespace transfusion
