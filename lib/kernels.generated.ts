// Generated from native/kernels.h by scripts/generate-kernels.mjs.

/** A native tensor, as the addon numbers it. */
export type Handle = number

export interface Kernels {
  fill(y: Handle, value: number): void
  zero(y: Handle): void
  cast(y: Handle, x: Handle): void
  add(y: Handle, a: Handle, b: Handle): void
  mul(y: Handle, a: Handle, b: Handle): void
  scale(y: Handle, x: Handle, factor: number): void
  accumulate(y: Handle, x: Handle): void
  sum_to(y: Handle, x: Handle, scale: number): void
  broadcast_to(y: Handle, x: Handle, scale: number): void
  sum_rows(y: Handle | undefined, x: Handle): void
  concat(y: Handle, xs: readonly Handle[]): void
  slice(y: Handle, x: Handle, start: number): void
  transpose(y: Handle, x: Handle, axis0: number, axis1: number): void
  matmul(y: Handle, a: Handle, b: Handle, bias: Handle | undefined, transposeA: boolean, transposeB: boolean): void
  matmul_accumulate(y: Handle | undefined, a: Handle, b: Handle, transposeA: boolean, transposeB: boolean): void
  matmul_part(y: Handle, a: Handle, b: Handle, transposeA: boolean, transposeB: boolean): void
  quantized_matmul(y: Handle, x: Handle, w: Handle, bias: Handle | undefined): void
  embedding(y: Handle, weight: Handle, ids: Handle): void
  embedding_backward(dweight: Handle | undefined, dy: Handle, ids: Handle): void
  gather_rows(y: Handle, x: Handle, rows: Handle): void
  scatter_add_rows(y: Handle, x: Handle, rows: Handle): void
  write_rows(y: Handle, x: Handle, rows: Handle): void
  rms_norm(y: Handle, rstd: Handle, x: Handle, weight: Handle, eps: number): void
  rms_norm_backward(dx: Handle, dweight: Handle | undefined, dy: Handle, x: Handle, weight: Handle, rstd: Handle): void
  rope_table(table: Handle, positions: Handle, frequencies: Handle, axes: Handle): void
  split_rope(q: Handle, k: Handle, v: Handle, qkv: Handle, table: Handle): void
  split_rope_backward(dqkv: Handle, dq: Handle, dk: Handle, dv: Handle, table: Handle): void
  split_norm_rope(q: Handle, k: Handle, v: Handle, rstd: Handle | undefined, qkv: Handle, table: Handle, rows: Handle | undefined, queryWeight: Handle | undefined, keyWeight: Handle | undefined, eps: number): void
  split_norm_rope_backward(dqkv: Handle, dqueryWeight: Handle | undefined, dkeyWeight: Handle | undefined, dq: Handle, dk: Handle, dv: Handle, table: Handle, rows: Handle | undefined, qkv: Handle | undefined, queryWeight: Handle | undefined, keyWeight: Handle | undefined, rstd: Handle | undefined): void
  attention(y: Handle, yLo: Handle | undefined, lse: Handle, q: Handle, k: Handle, v: Handle, keyStart: Handle, keyEnd: Handle, queryRows: Handle, keyRows: Handle, scale: number): void
  attention_backward(dq: Handle, dk: Handle, dv: Handle, dy: Handle, y: Handle, yLo: Handle | undefined, lse: Handle, q: Handle, k: Handle, v: Handle, keyStart: Handle, keyEnd: Handle, queryRows: Handle, keyRows: Handle, scale: number): void
  conv2d(y: Handle, x: Handle, weight: Handle, bias: Handle | undefined, residual: Handle | undefined, stride: number, padding: number, groups: number): void
  conv2d_backward_input(dx: Handle, dy: Handle, weight: Handle, stride: number, padding: number, groups: number): void
  conv2d_backward_weight(dweight: Handle | undefined, dy: Handle, x: Handle, stride: number, padding: number, groups: number): void
  group_norm(y: Handle, mean: Handle, rstd: Handle, x: Handle, weight: Handle, bias: Handle, eps: number, silu: boolean): void
  group_norm_backward(dx: Handle, dweight: Handle | undefined, dbias: Handle | undefined, dy: Handle, x: Handle, weight: Handle, bias: Handle, mean: Handle, rstd: Handle, silu: boolean): void
  layer_norm(y: Handle, mean: Handle, rstd: Handle, x: Handle, weight: Handle, bias: Handle, eps: number, silu: boolean): void
  layer_norm_backward(dx: Handle, dweight: Handle | undefined, dbias: Handle | undefined, dy: Handle, x: Handle, weight: Handle, bias: Handle, mean: Handle, rstd: Handle, silu: boolean): void
  upsample_nearest(y: Handle, x: Handle, scale: number): void
  sum_pool(y: Handle, x: Handle, scale: number): void
  leaky_relu(y: Handle, x: Handle, slope: number): void
  leaky_relu_backward(dx: Handle, dy: Handle, y: Handle, slope: number): void
  max_pool(y: Handle, x: Handle, window: number): void
  max_pool_backward(dx: Handle, dy: Handle, x: Handle, window: number): void
  perceptual_distance(losses: Handle, a: Handle, b: Handle, weight: Handle): void
  perceptual_distance_backward(da: Handle, dlosses: Handle, a: Handle, b: Handle, weight: Handle): void
  silu(y: Handle, x: Handle): void
  silu_backward(dx: Handle, dy: Handle, x: Handle): void
  swiglu(y: Handle, x: Handle): void
  swiglu_backward(dx: Handle, dy: Handle, x: Handle): void
  softmax(y: Handle, x: Handle): void
  softmax_backward(dx: Handle, dy: Handle, y: Handle): void
  cross_entropy(losses: Handle, penalties: Handle | undefined, lse: Handle, logits: Handle, labels: Handle, weights: Handle | undefined, smoothing: number, zLoss: number): void
  cross_entropy_backward(dlogits: Handle, dlosses: Handle, dpenalties: Handle | undefined, logits: Handle, lse: Handle, labels: Handle, weights: Handle | undefined, smoothing: number, zLoss: number): void
  argmax(ids: Handle, logits: Handle): void
  sample_tokens(ids: Handle, logits: Handle, bias: Handle | undefined, temperature: Handle, topK: Handle, topP: Handle, minP: Handle, seeds: Handle): void
  patchify(patches: Handle, pixels: Handle, sizes: Handle, patch: number): void
  unpatchify(pixels: Handle, patches: Handle, sizes: Handle, patch: number): void
  timestep_embedding(y: Handle, t: Handle, maxPeriod: number): void
  normal(y: Handle, imageRows: Handle, seeds: Handle, scale: number): void
  add_noise(xt: Handle, x0: Handle, imageRows: Handle, alpha: Handle, sigma: Handle, seeds: Handle): void
  diffusion_loss(losses: Handle, prediction: Handle, x0: Handle, imageRows: Handle, targetX0: Handle, targetEps: Handle, weight: Handle, seeds: Handle): void
  diffusion_loss_backward(dprediction: Handle, dlosses: Handle, prediction: Handle, x0: Handle, imageRows: Handle, targetX0: Handle, targetEps: Handle, weight: Handle, seeds: Handle): void
  denoise(y: Handle, x0: Handle, x: Handle, conditional: Handle, unconditional: Handle | undefined, previousX0: Handle | undefined, imageRows: Handle, coefficients: Handle, seeds: Handle, clipMin: number, clipMax: number): void
  pixel_error(losses: Handle, y: Handle, x: Handle, squared: boolean): void
  pixel_error_backward(dy: Handle, dlosses: Handle, y: Handle, x: Handle, squared: boolean): void
  sample_latents(z: Handle, kl: Handle, moments: Handle, seeds: Handle): void
  sample_latents_backward(dmoments: Handle, dz: Handle, dkl: Handle, moments: Handle, seeds: Handle): void
  code_usage(used: Handle, perplexity: Handle, counts: Handle, least: number): void
  restart_codes(unused: Handle, recent: Handle, rows: Handle, counts: Handle, taken: Handle, seeds: Handle, candidates: number, restartAfter: number, decay: number): void
  replace_rows(y: Handle, x: Handle, rows: Handle): void
  gradient_norm(clip: Handle, gradients: Handle, maxNorm: number): void
  count_step(steps: Handle, clip: Handle): void
  adamw(parameters: Handle, rounded: Handle | undefined, firstMoment: Handle, secondMoment: Handle, gradients: Handle, clip: Handle, steps: Handle, learningRate: number, beta1: number, beta2: number, epsilon: number, weightDecay: number): void
  muon_momentum(momentum: Handle, direction: Handle, gradients: Handle, clip: Handle, beta: number): void
  muon_polynomial(p: Handle, gram: Handle, square: Handle, constant: number, linear: number, quadratic: number): void
  muon_update(parameters: Handle, rounded: Handle | undefined, direction: Handle, clip: Handle, learningRate: number, scale: number, weightDecay: number): void
  ema(average: Handle, updates: Handle, values: Handle, maxDecay: number): void
  swap(a: Handle, b: Handle): void
}
