/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What a model and a training loop of one's own are made of: modules, parameters, optimizers, and the parts of Transfusion
 * (network, batches, loss). lib/index.ts has the rule for what lies in which entry.
 * @module transfusion-js/nn
 */
import '../profiling/environment.js'

// Parameters: where they live, and in which type they compute.
export { type ComputeType, ParameterArena, type Range } from '../nn/arena.js'
export type {
  FixedDType,
  FixedParameters,
  FixedStorage,
  FixedValues,
  KeptAs,
} from '../nn/fixed_parameters.js'
export type { ConvolutionWork } from '../nn/convolution_work.js'
export type { FrozenValues } from '../nn/frozen_values.js'
export {
  type Initial,
  type LowRankFactors,
  Parameter,
  ParameterList,
  type WeightUpdate,
} from '../nn/parameters.js'

// Modules: ops with parameters.
export { Linear } from '../nn/linear.js'
export { LowRankUpdate } from '../nn/low_rank.js'
export { Conv2d } from '../nn/conv2d.js'
export { GroupNorm, LayerNorm, RmsNorm } from '../nn/norm.js'
export { ImageAttention } from '../nn/image_attention.js'
export { ResidualBlock } from '../nn/residual_block.js'
export { type UNetContext, UNetDown, type UNetSizes, UNetUp } from '../nn/unet.js'
export { type CacheUse, KvCache } from '../nn/kv_cache.js'
export {
  type AttentionMetadata,
  type MetadataImages,
  type TextPositions,
  uploadAttentionMetadata,
} from '../nn/attention_metadata.js'
export type { SizeBucket, SizeBuckets } from '../nn/size_buckets.js'
export { type ModalityStreams, Transformer, type TransformerContext } from '../nn/transformer.js'
export type { Modality, TransformerSizes } from '../nn/transformer_block.js'

// Optimizers.
export { TaskTrainer } from '../training/task_trainer.js'
export type {
  BatchSource,
  BatchStatistics,
  Companion,
  RunStart,
  StepBatch,
  TaskCheckpoint,
  TaskLoss,
  TrainingTask,
  UpdatedStep,
} from '../training/task.js'
export { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from '../training/options.js'
export { type MicroBatch, transfusionTask } from '../models/transfusion/training/task.js'
export type { OptimizerOptions, OptimizerSettings } from '../training/optimizer.js'
export type { Optimizer } from '../training/optimizer_step.js'
export { AdamW, adamwSchema, type AdamWOptions } from '../training/adamw.js'
export { ParameterGroups, type ParameterGroupSettings, type StepRates } from '../training/parameter_groups.js'
export { Muon, type MuonOptions, muonSchema } from '../training/muon.js'
export { Ema } from '../training/ema.js'
export { learningRateAt, type LearningRateOptions } from '../training/learning_rate.js'

// What any model gives to be generated with.
export type {
  GenerativeConfig,
  GenerativeImages,
  GenerativeModel,
  GenerativeNetwork,
  NetworkOutput,
} from '../generation/model.js'

// Transfusion: the network, its batches and its loss.
export type { LoadedModel, ModelParts } from '../models/transfusion/io/folder.js'
export { isImageParameter } from '../models/transfusion/image_parameters.js'
export { TransfusionNetwork } from '../models/transfusion/model.js'
export type { ModelOutput } from '../models/transfusion/model.js'
export type { ImageSkips, ModelImages } from '../models/transfusion/patch_coder.js'
export {
  type Denominators,
  type LossOptions,
  transfusionLoss,
  type TrainingBatch,
  type TransfusionLoss,
} from '../models/transfusion/training/loss.js'
export { prepareSequence, type SequenceOptions } from '../models/transfusion/training/prepare_sequence.js'
export { type BatchNoise, trainingBatch } from '../models/transfusion/training/training_batch.js'
export {
  type DiffusionTargets,
  diffusionTargets,
  type Objective,
  scheduleOf,
} from '../diffusion/objective.js'
export type { TimestepSettings } from '../diffusion/timesteps.js'

// Autoencoders between images and latents.
export {
  type LoadAutoencoderOptions,
  loadAutoencoder,
  type LoadedAutoencoder,
  saveAutoencoder,
} from '../models/autoencoder/io/folder.js'
export { CodeCodec } from '../models/autoencoder/code_codec.js'
export { AutoencoderCodec, type AutoencoderCodecOptions } from '../models/autoencoder/codec.js'
export type { HeldAutoencoderOptions } from '../models/autoencoder/held_autoencoder.js'
export type { Codebook } from '../models/autoencoder/codebook.js'
export type { FeatureMaps, FrozenEncoder } from '../models/autoencoder/frozen/encoder.js'
export { loadOnnxEncoder } from '../models/autoencoder/frozen/onnx_encoder.js'
export type { AutoencoderConfig, AutoencoderOptions } from '../models/autoencoder/config.js'
export type { LatentCalibration, LatentScaling } from '../image/latent_calibration.js'
export type { LatentPreview } from '../image/latent_preview.js'
export { type LatentScale, scaleLatents, unscaleLatents } from '../image/latent_scale.js'
export type { LatentStatistics } from '../image/latent_statistics.js'
export { AutoencoderNetwork, type LatentDistribution } from '../models/autoencoder/network.js'
export {
  type AutoencoderPreset,
  type AutoencoderPresetName,
  autoencoderPresets,
} from '../models/autoencoder/presets.js'
export { AutoencoderTrainer } from '../models/autoencoder/training/trainer.js'
export type { FeatureNetwork } from '../models/autoencoder/training/identity.js'
export type { GivenJudges, JudgeTerm, PerceptualNetwork } from '../models/autoencoder/training/judges.js'
export type { AutoencoderData } from '../models/autoencoder/training/task.js'
export type { ImageDataState, TrainingImages } from '../models/autoencoder/training/batches.js'
export type {
  AutoencoderTrainingOptions,
  AutoencoderTrainingSettings,
} from '../models/autoencoder/training/options.js'

// LPIPS, for the training of autoencoders and to compare pictures.
export { type LoadLpipsOptions, Lpips } from '../models/lpips/lpips.js'
// ResNets, whose features tell what images show: for the identity term of an autoencoder's loss.
export { type LoadResnetOptions, Resnet } from '../models/resnet/resnet.js'

// Sequences: documents as positions of tokens and patches, packed into batches.
export type { ImageModel } from '../sequence/image_model.js'
export { type EncodedPart, type ImageInput, imagePart, type PixelPart } from '../sequence/image_parts.js'
export { type PackedBatch, packSequences } from '../sequence/packing.js'
export type { PackingOptions } from '../sequence/packing_options.js'
export { trainingSequence, type TrainingSequence } from '../sequence/training_sequence.js'
export type { PatchOptions, SequenceMetadata } from '../sequence/metadata.js'
export type {
  DocumentParts,
  ImagePart as SequenceImage,
  Part as SequencePart,
  SpecialTokens,
  TextPart as SequenceText,
} from '../sequence/document.js'
