/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/** The public API: everything that users of transfusion-js may rely on. */
import { profileOptionsOf, profileProcess } from './profiling/process_profile.js'

// TRANSFUSION_PROFILE and TRANSFUSION_TRACE, for whatever program uses the library.
profileProcess(profileOptionsOf(process.env))

// Models: train, save, load, generate.
export { type NewModelOptions, Transfusion } from './transfusion.js'
export type { EndReason, GenerationEvent, Timings, Usage } from './generation/events.js'
export type { ImageGenerationOptions, GenerationOptions, ImageSamplingOptions } from './generation/options.js'
export type { Prompt } from './generation/prompt.js'
export type { LoadedModel, LoadOptions, ModelParts } from './models/transfusion/folder.js'
export { TransfusionNetwork } from './models/transfusion/model.js'
export type { ModelOutput } from './models/transfusion/model.js'
export type { ImageSkips, ModelImages } from './models/transfusion/patch_coder.js'
export {
  type AttentionMetadata,
  type MetadataImages,
  uploadAttentionMetadata,
} from './nn/attention_metadata.js'
export type { ImageGroup, ImageGroups } from './nn/image_groups.js'
export type { ImageModel } from './sequence/image_model.js'
export { type EncodedPart, imagePart, type ImageInput, type PixelPart } from './sequence/image_parts.js'
export { type ImageCodec, type ImageCodecConfig, pixelCodec } from './image/codec.js'
export {
  type Denominators,
  type LossOptions,
  transfusionLoss,
  type TrainingBatch,
  type TransfusionLoss,
} from './models/transfusion/training/loss.js'
export type { TransfusionConfig, TransfusionOptions, UNetConfig } from './models/transfusion/config.js'
export type { FromLlamaOptions } from './models/transfusion/from_llama.js'
export type { InitializeOptions, WeightSizes } from './models/transfusion/initialize.js'
export { sizeAdvice } from './models/transfusion/size_advice.js'
export type { SavedPrecision } from './models/transfusion/weights.js'
export {
  paperImages,
  paperUNet,
  paperVocabulary,
  type PresetName,
  presets,
} from './models/transfusion/presets.js'

// Training.
export { type RunHooks, Trainer } from './training/trainer.js'
export type { BatchWork, StepReport } from './training/step_report.js'
export type { StreamStart, TrainingData } from './models/transfusion/training/data.js'
export { CheckpointFolder } from './training/checkpoint_folder.js'
export { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from './training/options.js'
export { arrangeDocument, type ArrangeOptions } from './models/transfusion/training/arrange.js'
export { type BatchNoise, trainingBatch } from './models/transfusion/training/training_batch.js'
export type { Optimizer } from './training/optimizer_step.js'
export { AdamW, adamwSchema, type AdamWOptions } from './training/adamw.js'
export { Muon, type MuonOptions, muonSchema } from './training/muon.js'
export { Ema } from './training/ema.js'
export { learningRateAt, type LearningRateOptions } from './training/learning_rate.js'

// Evaluation.
export { ImageClassifier, type ClassifierTraining } from './evaluation/image_classifier.js'
export type { ClassData } from './evaluation/class_data.js'
export {
  type ClassImageOptions,
  generateClassImages,
  type GeneratedClassImages,
} from './evaluation/class_images.js'
export { ClassReference } from './evaluation/class_reference.js'
export { describeImages, type DescribingOptions } from './evaluation/describe_images.js'
export type { ImageMetricInputs, ImageMetrics, ClassifierOutput } from './evaluation/image_metrics.js'
export type { Features } from './evaluation/features.js'
export type { LabelledFeatures } from './evaluation/diversity.js'
export type { KernelDistance } from './evaluation/kid.js'
export type { Likelihood, LikelihoodOptions } from './evaluation/likelihood.js'
export { diversity, frechetDistance, imageMetrics, kernelDistance } from './evaluation/statistics.js'
export {
  type ClassEvaluation,
  type ClassEvaluationOptions,
  type ClassMetrics,
  evaluateClasses,
} from './evaluation/evaluate_classes.js'
export {
  cheapestSetting,
  compareSamplers,
  type CompareOptions,
  type ReferenceMetrics,
  type SamplerMetrics,
  type SamplerSetting,
  worseMetrics,
} from './evaluation/compare_samplers.js'
export type { StandardErrors } from './evaluation/standard_errors.js'
export {
  type EmojiEvaluation,
  type EmojiEvaluationOptions,
  evaluateEmoji,
} from './experiments/emoji/evaluate_emoji.js'
export type { EmojiOutput, EmojiOutputs, EmojiMetrics } from './experiments/emoji/emoji_metrics.js'
export { type CaptionedImage, captionPerplexity } from './evaluation/perplexity.js'
export {
  type TextDocument,
  type TextPerplexity,
  textPerplexity,
  type TextPerplexityOptions,
} from './evaluation/text_perplexity.js'
export {
  type Question,
  type Ranking,
  rankAccuracy,
  type RankMetrics,
  rankOptions,
  type RankOptions,
} from './evaluation/rank.js'

// Data.
export type { Document, ImagePart, TextPart } from './data/document.js'
export type { Image } from './image/image.js'
export type {
  DocumentStream,
  PreparedDocument,
  PreparedPart,
  SourceState,
  StreamState,
} from './data/document_stream.js'
export type { ImageDataset, Sample } from './data/sources/image_dataset.js'
export { datasetSource } from './data/sources/dataset_source.js'
export {
  type DocumentSource,
  type RawDocument,
  type RawImage,
  type RawPart,
  type SourceCursor,
  type SourceItem,
  textsOf,
  type UnreadableDocument,
} from './data/sources/document_source.js'
export { type DocumentCollection, type DocumentReader, indexedSource } from './data/sources/indexed_source.js'
export { LeftOut, type LeftOutReason } from './data/left_out.js'
export { openFolderSource } from './data/sources/folder_source.js'
export { type JsonlOptions, openJsonlSource } from './data/sources/jsonl_source.js'
export { openTarSource, type TarOptions } from './data/sources/tar_source.js'
export { openTextSource, type TextOptions } from './data/sources/text_source.js'
export { type DataConfig, dataSchema, openSources } from './datasets/data_config.js'
export type { PositionsOf } from './data/stream/pieces.js'
export type { Preparation } from './data/stream/preparation.js'
export { openStream, type StreamOptions, type WeightedSource } from './data/stream/open_stream.js'
export { captionedImage } from './data/sources/image_dataset.js'
export { ImageFolder, type ImageFolderOptions, type LabelledImages } from './data/sources/image_folder.js'
export { IdxDataset, type IdxDatasetOptions } from './data/sources/idx_dataset.js'
export { FolderDataset } from './data/sources/folder_dataset.js'
export {
  emojiCaption,
  type EmojiData,
  EmojiDataset,
  type EmojiPicture,
  openEmoji,
} from './datasets/emoji/emoji.js'
export type { EmojiStyle } from './datasets/emoji/emoji_names.js'
export { findFashionMnist, type MnistFiles, openMnist } from './datasets/fashion_mnist.js'
export {
  type DecodeOptions,
  JsonTokenizer,
  type SpecialTokenNames,
  type Tokenizer,
} from './tokenizer/tokenizer.js'
export type { AddedToken, TokenizerJson, TokenizerModel } from './tokenizer/tokenizer_json.js'
export { makeCaptionTokenizer } from './tokenizer/caption_tokenizer.js'
export { type BpeHooks, type BpeProgress, trainTokenizer } from './tokenizer/bpe/train_tokenizer.js'
export type { BpeSettings } from './tokenizer/bpe/options.js'
export { encodePng, readImage, writePng } from './image/image_io.js'
export type { ImageSource, PixelSource } from './image/image_source.js'
export {
  type ImagePreparation,
  type ImagePreparationOptions,
  imagePreparationSchema,
} from './image/image_preparation.js'
export {
  type Caption,
  type Colour,
  type ContactSheet,
  drawContactSheet,
  type SheetCell,
  type SheetRow,
  type SheetSection,
} from './image/contact_sheet.js'
export {
  type PendingTensor,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
} from './files/safetensors/safetensors.js'
export { type Checksum, DamagedFileError } from './files/checksum.js'
export { SafetensorsReader } from './files/safetensors/safetensors_reader.js'
export type { TensorEntry } from './files/safetensors/safetensors_header.js'
export { ConfigError } from './config/parse.js'

// Sequences and diffusion.
export { type PackedBatch, packDocuments, type PackingOptions } from './sequence/packing.js'
export type { Layout as SequenceLayout } from './sequence/layout.js'
export type {
  Document as SequenceDocument,
  ImagePart as SequenceImage,
  Part as SequencePart,
  SpecialTokens,
  TextPart as SequenceText,
} from './sequence/document.js'
export { type DiffusionTargets, diffusionTargets, type Objective, scheduleOf } from './diffusion/objective.js'
export type { TimestepSettings } from './diffusion/timesteps.js'
export {
  cosineSchedule,
  flowSchedule,
  type NoiseLevel,
  type NoiseSchedule,
  type TabulatedSchedule,
} from './diffusion/schedule.js'
export { type Sampler, type SamplerStep, trailingTimesteps } from './diffusion/sampler.js'
export { ddim } from './diffusion/ddim.js'
export { ddpm } from './diffusion/ddpm.js'
export { dpmSolver } from './diffusion/dpm_solver.js'
export { euler, heun } from './diffusion/euler.js'
export { createSampler, type SamplerName } from './diffusion/samplers.js'

// Tensors and differentiation.
export type { DType } from './tensor/dtype.js'
export type { Shape } from './tensor/shape.js'
export { empty, fromArray, full, Tensor, zeros } from './tensor/tensor.js'
export { keep, scope, type Scoped } from './tensor/scope.js'
export { Job } from './tensor/job.js'
export { RunAhead } from './tensor/run_ahead.js'
export type { DeviceInfo, MemoryInfo } from './native_types.js'
export {
  type Device,
  deviceInfo,
  fence,
  memory,
  parseDevice,
  setMemoryLimit,
  setThreads,
  trimMemory,
  withDevice,
} from './tensor/device.js'
export { ArgumentError } from './tensor/check.js'
export {
  type KernelArgument,
  type KernelProfile,
  type KernelSpan,
  type KernelWork,
  type Profile,
  type ProfileOptions,
  type ProfileReport,
  startProfile,
} from './profiling/profile.js'
export { formatProfile, kernelTotals } from './profiling/profile_table.js'
export { writeTrace } from './profiling/trace.js'
export { backward, noGrad, trackGradient } from './autograd/tape.js'
export { recompute } from './autograd/recompute.js'
export { defineOp } from './autograd/op.js'
export type {
  GradientRequest,
  Gradients,
  Inputs,
  OpDefinition,
  Outputs,
  Saved,
} from './autograd/definition.js'

// Ops: functions on tensors that can be differentiated, to build models of.
export { add } from './ops/add.js'
export { attention, type AttentionSpans } from './ops/attention.js'
export { averagePool } from './ops/average_pool.js'
export { cast } from './ops/cast.js'
export { concat } from './ops/concat.js'
export { conv2d, type Conv2dOptions, type Conv2dWindow } from './ops/conv2d.js'
export { convTranspose2d } from './ops/conv_transpose2d.js'
export { crossEntropy, type Penalties, penalizedCrossEntropy } from './ops/cross_entropy.js'
export { denoise, type DenoiseStep } from './ops/denoise.js'
export { diffusionLoss, type DiffusionTarget } from './ops/diffusion_loss.js'
export { embedding } from './ops/embedding.js'
export { gatherRows } from './ops/gather_rows.js'
export { groupNorm } from './ops/group_norm.js'
export { layerNorm } from './ops/layer_norm.js'
export { linear, type LinearOptions } from './ops/linear.js'
export { linearCrossEntropy } from './ops/linear_cross_entropy.js'
export { matmul, type MatmulOptions } from './ops/matmul.js'
export { mul } from './ops/mul.js'
export { addNoise, normal } from './ops/noise.js'
export type { NormOptions } from './ops/norm_options.js'
export { patchify, unpatchify } from './ops/patchify.js'
export { broadcastTo, mean, sum } from './ops/reduce.js'
export { reshape } from './ops/reshape.js'
export { rmsNorm } from './ops/rms_norm.js'
export { ropeTable } from './ops/rope_table.js'
export { argmax, sampleTokens, type SamplingOptions } from './ops/sampling.js'
export { scale } from './ops/scale.js'
export { scatterAddRows } from './ops/scatter_rows.js'
export { silu } from './ops/silu.js'
export { softmax } from './ops/softmax.js'
export { split } from './ops/split.js'
export { splitRope } from './ops/split_rope.js'
export { swiglu } from './ops/swiglu.js'
export { swigluLinear } from './ops/swiglu_linear.js'
export { timestepEmbedding } from './ops/timestep_embedding.js'
export { transpose } from './ops/transpose.js'
export { upsampleNearest } from './ops/upsample_nearest.js'
export { writeRows } from './ops/write_rows.js'

// Modules: ops with parameters, and where parameters live.
export { type ComputeType, ParameterArena, type Range } from './nn/arena.js'
export type { FrozenValues } from './nn/frozen_values.js'
export { type Initial, Parameter, ParameterList } from './nn/parameters.js'
export { Linear } from './nn/linear.js'
export { Conv2d } from './nn/conv2d.js'
export { LayerNorm, RmsNorm } from './nn/norm.js'
export { ImageAttention } from './nn/image_attention.js'
export { ResidualBlock } from './nn/residual_block.js'
export { type UNetContext, UNetDown, type UNetSizes, UNetUp } from './nn/unet.js'
export { type CacheUse, KvCache } from './nn/kv_cache.js'
export { Transformer, type TransformerContext, type TransformerSizes } from './nn/transformer.js'
