import { checkArguments } from './arguments.js'
import { parseConfig } from './config/parse.js'
import type { ImageCodec } from './image/codec.js'
import type { Image } from './image/image.js'
import { readImage } from './image/image_io.js'
import type { ImagePreparation, ImagePreparationOptions } from './image/image_preparation.js'
import type { ImageSource } from './image/image_source.js'
import { JsonTokenizer } from './tokenizer/tokenizer.js'
import { type Objective, objectiveSchema } from './diffusion/objective.js'
import { transfusionConfigSchema, type TransfusionOptions } from './models/transfusion/config.js'
import { type LoadedModel, loadModel, type LoadOptions, saveModel } from './models/transfusion/io/folder.js'
import { fromLlama, type FromLlamaOptions } from './models/transfusion/io/from_llama.js'
import { initializeFrom, type InitializeOptions } from './models/transfusion/io/initialize.js'
import { TransfusionNetwork } from './models/transfusion/model.js'
import { codecOf, imagePreparationOf, requireImagePreparation } from './sequence/image_model.js'
import { toLlama } from './models/transfusion/io/to_llama.js'
import type { SavedPrecision } from './models/transfusion/io/weights.js'
import type { ComputeType } from './nn/arena.js'
import { type Device, parseDevice } from './tensor/device.js'
import { completeTexts } from './generation/batch.js'
import { generateImages } from './generation/generate_images.js'
import type { GenerationEvent } from './generation/events.js'
import { generate } from './generation/generate.js'
import type { ImageGenerationOptions, GenerationOptions } from './generation/options.js'
import type { Prompt } from './generation/prompt.js'

/** What a new model has besides its sizes and its tokenizer. */
export interface NewModelOptions {
  /** The initial weights follow from it. */
  seed?: number
  /** bf16: f32 weights, rounded to bf16 for computing. */
  compute?: ComputeType
  /** Where the weights will lie and the model runs; 'cpu' by default. */
  device?: Device
  /** What the network predicts, and how its error counts. */
  objective?: Partial<Objective>
  /** How image files become what the model reads; by default to the size that it draws. */
  imagePreparation?: ImagePreparationOptions
}

/** A model with its tokenizer: what one trains, saves, loads and generates with. */
export class Transfusion implements LoadedModel {
  /** The weights, and how they are computed with. */
  readonly network: TransfusionNetwork
  /** Text to token ids and back; saved with the model. */
  readonly tokenizer: JsonTokenizer
  /** What the network gives for images; saved with the model. */
  readonly objective: Objective
  /**
   * Stands between images and the values that the network reads and predicts; undefined where the model reads latents and has
   * no autoencoder: it then takes and gives the values themselves. Saved with the model.
   */
  readonly codec: ImageCodec | undefined
  /** How `readImage` turns a file into what the model reads; saved with the model. Undefined without a codec. */
  readonly imagePreparation: ImagePreparation | undefined

  private constructor(parts: LoadedModel) {
    if (typeof parts !== 'object' || parts === null || !('network' in parts))
      throw new TypeError('Transfusion: it is made by Transfusion.load, create, fromLlama or initializeFrom')
    const { network, tokenizer, objective, codec, imagePreparation } = parts
    this.network = network
    this.tokenizer = tokenizer
    this.objective = objective
    this.codec = codec
    this.imagePreparation = imagePreparation
  }

  /**
   * A model folder, as `save` and `transfusion train` write it, or a run or a checkpoint that has one. Throws an Error that
   * names the file and the fault: a DamagedFileError where its bytes are not those that were saved.
   */
  static async load(folder: string, options: LoadOptions = {}): Promise<Transfusion> {
    checkArguments('Transfusion.load', { options: [options, 'options'] })
    return new Transfusion(await loadModel(folder, options))
  }

  /** A model grown on a Hugging Face Llama; see from_llama.ts. Throws an Error that names the file and the fault. */
  static async fromLlama(folder: string, options: FromLlamaOptions): Promise<Transfusion> {
    return new Transfusion(await fromLlama(folder, options))
  }

  /**
   * A model to train that begins with the weights of a model folder or of a Llama; see initialize.ts. Throws an Error
   * that names the first size that differs from the options'.
   */
  static async initializeFrom(folder: string, options?: InitializeOptions): Promise<Transfusion> {
    return new Transfusion(await initializeFrom(folder, options))
  }

  /**
   * A new model with random weights. The vocabulary and the special tokens are the tokenizer's. Throws a ConfigError
   * that names what is wrong in the options and what would be right; `sizeAdvice` says what is allowed and draws badly.
   */
  static create(
    options: Omit<TransfusionOptions, 'vocabulary' | 'tokens'>,
    tokenizer: JsonTokenizer,
    more: NewModelOptions = {},
  ): Transfusion {
    checkArguments('Transfusion.create', {
      options: [options, 'object'],
      tokenizer: [tokenizer, 'tokenizer'],
    })
    checkArguments('Transfusion.create', { options: [more, 'options'] })
    const { seed = 0, compute = 'f32', device = 'cpu', objective = {}, imagePreparation } = more
    const place = parseDevice(device, 'Transfusion.create')
    const parsedObjective = parseConfig(objectiveSchema, objective, 'objective')
    const sizes = { ...options, ...tokenizerIds(tokenizer) }
    const config = parseConfig(transfusionConfigSchema, sizes, 'model config')
    const codec = codecOf({ network: { config } })
    const preparation = imagePreparationOf({ network: { config }, codec }, imagePreparation)
    const network = new TransfusionNetwork(config, compute, place)
    network.arena.initialize(seed)
    return new Transfusion({
      network,
      tokenizer,
      objective: parsedObjective,
      codec,
      imagePreparation: preparation,
    })
  }

  /** Where its weights lie and it runs. */
  get device(): Device {
    return this.network.device
  }

  /** Number of weights. */
  get parameterCount(): number {
    return this.network.arena.parameterCount
  }

  /**
   * An image file (its path, `file:` URL or bytes), or pixels of any size (a canvas's too), as the model reads them: for
   * prompts. Throws an Error that names the file and the fault, also where the model has no codec, and a TypeError that says
   * what is accepted.
   */
  async readImage(source: ImageSource): Promise<Image> {
    return readImage(source, requireImagePreparation(this, 'readImage'))
  }

  /**
   * Goes on from a prompt of text and images; see generate.ts. While the model is trained each call of the network sees the
   * weights of that moment: for those of one step, generate in the trainer's `every`, or with a model loaded from a save.
   */
  generate(prompt: Prompt, options?: GenerationOptions): AsyncGenerator<GenerationEvent, void, undefined> {
    return generate(this, prompt, options)
  }

  /** Draws one image after each prompt, all together: image i depends on prompt i and seeds[i] alone; see generate_images.ts. */
  generateImages(
    prompts: readonly Prompt[],
    seeds?: readonly number[],
    options?: ImageGenerationOptions,
    signal?: AbortSignal,
  ): Promise<Image[]> {
    return generateImages(this, prompts, seeds, options, { signal })
  }

  /** Writes the most likely text after each prompt, all together, up to `maxTokens` tokens each. */
  completeTexts(prompts: readonly Prompt[], maxTokens = 64, signal?: AbortSignal): Promise<string[]> {
    return completeTexts(this, prompts, maxTokens, signal)
  }

  /**
   * Writes config, weights and tokenizer into a folder that `load` reads. Weights of bf16 take half the space. The weights
   * are those of one step, the last at the call, even while the model is trained: training goes on, and where it changes
   * them before they are written they are copied first.
   */
  async save(folder: string, { precision = 'f32' }: { precision?: SavedPrecision } = {}): Promise<void> {
    checkArguments('save', { folder: [folder, 'string'] })
    await saveModel(folder, this, precision)
  }

  /**
   * Writes the text part into a folder as a Hugging Face Llama, which transformers and `fromLlama` load; see to_llama.ts.
   * Rejects where the folder holds a Transfusion model.
   */
  async toLlama(folder: string, { precision = 'f32' }: { precision?: SavedPrecision } = {}): Promise<void> {
    checkArguments('toLlama', { folder: [folder, 'string'] })
    await toLlama(folder, this, precision)
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.network[Symbol.dispose]()
  }
}

/** What a model's config takes from its tokenizer. Throws when it has no end-of-document token. */
export function tokenizerIds({
  vocabularySize,
  bos,
  eos,
  boi,
  eoi,
}: JsonTokenizer): Pick<TransfusionOptions, 'vocabulary' | 'tokens'> {
  if (eos === undefined) throw new Error('tokenizer: it has no end-of-document token, which a model needs')
  return { vocabulary: vocabularySize, tokens: { ...(bos !== undefined && { bos }), end: eos, boi, eoi } }
}
