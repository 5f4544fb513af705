/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Tensors and what computes with them: devices, ops, differentiation, profiling. lib/index.ts has the rule for what lies in
 * which entry.
 * @module transfusion-js/tensor
 */
import '../profiling/environment.js'

// Tensors: arrays in native memory, and when they are freed.
export type { BlockDType, DType, ElementDType } from '../tensor/dtype.js'
export { rowBytes } from '../tensor/dtype.js'
export type { Shape } from '../tensor/shape.js'
export { empty, fromArray, full, Tensor, type TensorData, zeros } from '../tensor/tensor.js'
export { keep, scope, type Scoped } from '../tensor/scope.js'
export { Job } from '../tensor/job.js'
export { InFlightLimit } from '../tensor/in_flight_limit.js'

// Devices: what computes, its memory and its threads.
export type { CpuInfo, DeviceInfo, DeviceName, GpuInfo, MemoryInfo } from '../native_types.js'
export {
  type Device,
  deviceInfo,
  devices,
  fence,
  memory,
  parseDevice,
  setMemoryLimit,
  setThreads,
  trimMemory,
  withDevice,
} from '../tensor/device.js'

// Differentiation.
export { backward, noGrad, trackGradient } from '../autograd/tape.js'
export { recompute } from '../autograd/recompute.js'
export { type ValueAndOthers, valueAndGradients } from '../autograd/value_and_gradients.js'
export { defineOp } from '../autograd/op.js'
export type {
  GradientRequest,
  Gradients,
  Inputs,
  OpDefinition,
  Outputs,
  Saved,
} from '../autograd/definition.js'

// Ops: functions on tensors that can be differentiated, to build models of.
export { add } from '../ops/add.js'
export { attention, type AttentionSpans } from '../ops/attention.js'
export { averagePool } from '../ops/average_pool.js'
export { cast, type CastDType } from '../ops/cast.js'
export { codeUsage } from '../ops/code_usage.js'
export { concat } from '../ops/concat.js'
export { conv2d, type Conv2dOptions, type Conv2dWindow } from '../ops/conv2d.js'
export { convTranspose2d } from '../ops/conv_transpose2d.js'
export { crossEntropy, type Penalties, penalizedCrossEntropy } from '../ops/cross_entropy.js'
export { denoise, type DenoiseStep } from '../ops/denoise.js'
export { diffusionLoss, type DiffusionTarget } from '../ops/diffusion_loss.js'
export { embedding, type EmbeddingOptions } from '../ops/embedding.js'
export { gatherRows } from '../ops/gather_rows.js'
export { groupNorm } from '../ops/group_norm.js'
export { layerNorm } from '../ops/layer_norm.js'
export { leakyRelu } from '../ops/leaky_relu.js'
export { linear, type LinearOptions } from '../ops/linear.js'
export { linearCrossEntropy } from '../ops/linear_cross_entropy.js'
export { matmul, type MatmulOptions } from '../ops/matmul.js'
export { maxPool } from '../ops/max_pool.js'
export { mul } from '../ops/mul.js'
export { addNoise, normal } from '../ops/noise.js'
export type { NormOptions } from '../ops/norm_options.js'
export { patchify, unpatchify } from '../ops/patchify.js'
export { type ComparedFeatures, perceptualDistance } from '../ops/perceptual_distance.js'
export { pixelError, type PixelErrorKind } from '../ops/pixel_error.js'
export { broadcastTo, mean, sum } from '../ops/reduce.js'
export { reshape } from '../ops/reshape.js'
export { rmsNorm } from '../ops/rms_norm.js'
export { ropeTable } from '../ops/rope_table.js'
export { sampleLatents } from '../ops/sample_latents.js'
export { argmax, sampleTokens, type SamplingOptions } from '../ops/sampling.js'
export { scale } from '../ops/scale.js'
export { scatterAddRows } from '../ops/scatter_rows.js'
export { silu } from '../ops/silu.js'
export { softmax } from '../ops/softmax.js'
export { split } from '../ops/split.js'
export { splitRope } from '../ops/split_rope.js'
export { straightThrough } from '../ops/straight_through.js'
export { swiglu } from '../ops/swiglu.js'
export { swigluLinear } from '../ops/swiglu_linear.js'
export { timestepEmbedding } from '../ops/timestep_embedding.js'
export { transpose } from '../ops/transpose.js'
export { upsampleNearest } from '../ops/upsample_nearest.js'
export { writeRows } from '../ops/write_rows.js'

// Profiling.
export {
  type KernelArgument,
  type KernelProfile,
  type KernelSpan,
  type KernelWork,
  type Profile,
  type ProfileOptions,
  type ProfileReport,
  startProfile,
} from '../profiling/profile.js'
export { formatProfile, kernelTotals } from '../profiling/profile_table.js'
export { writeTrace } from '../profiling/trace.js'
