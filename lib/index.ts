/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The main entry: what loading, generating, training and saving a model take.
 *
 * The rule for all entries: a name is exported by one entry only. This one has the classes `Transfusion` and `Trainer`, the
 * options and results of their methods, and what is made to be handed to them: configs, samplers, tokenizers, images and
 * data sets to begin with. All else lies with its subject in lib/entry: `transfusion-js/tensor`, `/nn`, `/data` and
 * `/evaluation`, also the types that signatures here mention and that users need not write.
 * @module transfusion-js
 */
import './profiling/environment.js'

// Models: train, save, load, generate.
export { Transfusion } from './transfusion.js'
export type { NewModelOptions } from './models/transfusion/io/create.js'
export type { LoadOptions } from './models/transfusion/io/folder.js'
export type { EndReason, GenerationEvent, Timings, Usage } from './generation/events.js'
export type { ImageGenerationOptions, GenerationOptions, ImageSamplingOptions } from './generation/options.js'
export type { ChatMessage, PromptPiece } from './generation/chat.js'
export type { DocumentPrompt, Prompt } from './generation/prompt.js'
export type { TransfusionConfig, TransfusionOptions, UNetConfig } from './models/transfusion/config.js'
export type { FromLlamaOptions, FromPretrainedOptions } from './models/transfusion/io/from_pretrained.js'
export type { Freeze } from './models/transfusion/freeze.js'
export type { LoraSettings } from './models/transfusion/lora.js'
export type { InitializeOptions, WeightSizes } from './models/transfusion/io/initialize.js'
export { sizeAdvice } from './models/transfusion/size_advice.js'
export type { SavedPrecision } from './nn/parameter_values.js'
export { type WeightKind, weightKinds } from './nn/weight_kinds.js'
export {
  paperImages,
  paperUNet,
  paperVocabulary,
  type PresetName,
  presets,
} from './models/transfusion/presets.js'

// Training.
export { Trainer } from './models/transfusion/training/trainer.js'
export type { RunHooks } from './training/run_hooks.js'
export type { StepReport } from './training/step_report.js'
export type { StreamStart, TrainingData } from './models/transfusion/training/data.js'
export { CheckpointFolder } from './training/checkpoint_folder.js'
export {
  type TransfusionTrainingOptions,
  transfusionTrainingSchema,
  type TransfusionTrainingSettings,
} from './models/transfusion/training/options.js'

// Runs: what `transfusion train` does, with the same files.
export { encodeLatents, type EncodeLatentsOptions, type EncodingProgress } from './run/encode_latents.js'
export { trainFromConfig, type TrainRunOptions, type TrainRunResult } from './run/train_from_config.js'
export { tuneFromConfig, type TuneOptions, type TuneResult } from './run/tune_from_config.js'
export type { MeasuredProduct } from './tensor/product_store.js'
export type { ProductShape, ProductTime } from './tensor/product_choices.js'
export { type TrainConfig, trainConfigSchema, type WrittenTrainConfig } from './run/train_config.js'
export {
  type AutoencoderTrainConfig,
  autoencoderTrainConfigSchema,
  type WrittenAutoencoderConfig,
} from './run/autoencoder/config.js'
export {
  type GenerativeTrainConfig,
  generativeTrainConfigSchema,
  type WrittenGenerativeConfig,
} from './run/generative/config.js'
export type { RunMessages } from './run/messages.js'
export type { SessionHooks } from './run/train_session.js'

// Samplers: how images are denoised, and the noise schedules that they follow.
export { type Sampler, type SamplerStep, trailingTimesteps } from './diffusion/sampler.js'
export { createSampler, type SamplerName } from './diffusion/samplers.js'
export { ddim } from './diffusion/ddim.js'
export { ddpm } from './diffusion/ddpm.js'
export { dpmSolver } from './diffusion/dpm_solver.js'
export { euler, heun } from './diffusion/euler.js'
export {
  cosineSchedule,
  flowSchedule,
  type NoiseCoefficients,
  type NoiseSchedule,
  type TabulatedSchedule,
} from './diffusion/schedule.js'

// Text and images: prompts, documents, tokenizers, image files.
export type { ImagePart, LatentPart, TextPart } from './data/document.js'
export type { ChatTemplate, TextMessage } from './tokenizer/chat_template.js'
export { makeCaptionTokenizer } from './tokenizer/caption_tokenizer.js'
export {
  type DecodeOptions,
  JsonTokenizer,
  type SpecialTokenNames,
  type Tokenizer,
} from './tokenizer/tokenizer.js'
export type { EncodedImage, Image, ImageSize } from './image/image.js'
export { encodePng, readImage, writePng } from './image/image_io.js'
export type { ImageSource, PixelSource } from './image/image_source.js'

// Data sets of captioned images: to begin with; sources and streams are in transfusion-js/data.
export { captionedImage, type ImageDataset, type Sample } from './data/sources/image_dataset.js'
export { FolderDataset } from './data/sources/folder/folder_dataset.js'
export { findFashionMnist, type MnistFiles, openMnist } from './datasets/fashion_mnist.js'

// Errors.
export { ArgumentError } from './tensor/check.js'
export { ConfigError } from './config/parse.js'
export { DamagedFileError } from './files/checksum.js'
