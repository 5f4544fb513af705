import { checkArguments, checkOptions } from './arguments.js'
import type { ImageCodec } from './image/codec.js'
import type { Image } from './image/image.js'
import { readImage } from './image/image_io.js'
import type { ImagePreprocessing } from './image/image_preprocessing.js'
import type { ImageSource } from './image/image_source.js'
import type { ChatTemplate } from './tokenizer/chat_template.js'
import { JsonTokenizer } from './tokenizer/tokenizer.js'
import type { Objective } from './diffusion/objective.js'
import type { TransfusionOptions } from './models/transfusion/config.js'
import { type LoadedModel, loadModel, type LoadOptions, saveModel } from './models/transfusion/io/folder.js'
import { createModel, type NewModelOptions } from './models/transfusion/io/create.js'
import { fromPretrained, type FromPretrainedOptions } from './models/transfusion/io/from_pretrained.js'
import { initializeFrom, type InitializeOptions } from './models/transfusion/io/initialize.js'
import { TransfusionNetwork } from './models/transfusion/model.js'
import { requireImagePreprocessing } from './sequence/image_model.js'
import { toLlama } from './models/transfusion/io/to_llama.js'
import { mergeAdapter, saveAdapter } from './models/transfusion/io/adapter.js'
import type { SavedPrecision } from './nn/parameter_values.js'
import type { Device } from './tensor/device.js'
import { completeTexts } from './generation/batch.js'
import { generateImages } from './generation/generate_images.js'
import type { GenerationEvent } from './generation/events.js'
import { generate } from './generation/generate.js'
import type { ImageGenerationOptions, GenerationOptions } from './generation/options.js'
import type { Prompt } from './generation/prompt.js'

/**
 * A Transfusion model with its tokenizer: one transformer that writes text token by token and generates images by diffusion
 * (paper, section 3). It is made by `load`, `create`, `fromPretrained` or `initializeFrom`, trained by a `Trainer`, and owns
 * native memory, which `using` or `Symbol.dispose` frees.
 *
 * @example
 * ```js
 * const model = await Transfusion.load('runs/demo/model')
 * for await (const event of model.generate('an ankle boot')) {
 *   if (event.type === 'text') process.stdout.write(event.text)
 *   if (event.type === 'image') await writePng('boot.png', event.image)
 * }
 * ```
 */
export class Transfusion implements LoadedModel {
  /** The weights, and the computation with them. */
  readonly network: TransfusionNetwork
  /** Text to token ids and back; saved with the model. */
  readonly tokenizer: JsonTokenizer
  /** What the network predicts for images, and how its error is weighted in training; saved with the model. */
  readonly objective: Objective
  /**
   * Stands between images and the values that the network reads and predicts; undefined where the model reads latents and has
   * no autoencoder: it then takes and gives the values themselves. Saved with the model.
   */
  readonly codec: ImageCodec | undefined
  /**
   * Makes a document of the messages of a conversation, as transformers' `chat_template`; undefined where the model was not
   * trained on conversations. Saved with the model.
   */
  readonly chatTemplate: ChatTemplate | undefined
  /** How `readImage` turns a file into what the model reads; saved with the model. Undefined without a codec. */
  readonly imagePreprocessing: ImagePreprocessing | undefined

  private constructor(parts: LoadedModel) {
    if (typeof parts !== 'object' || parts === null || !('network' in parts))
      throw new TypeError(
        'Transfusion: it is made by Transfusion.load, create, fromPretrained or initializeFrom',
      )
    const { network, tokenizer, objective, codec, chatTemplate, imagePreprocessing } = parts
    this.network = network
    this.tokenizer = tokenizer
    this.objective = objective
    this.codec = codec
    this.chatTemplate = chatTemplate
    this.imagePreprocessing = imagePreprocessing
  }

  /**
   * Loads a model: weights, tokenizer, objective, codec and image preprocessing.
   *
   * @param folder a model folder, as `save` and `transfusion train` write it, or a run or a checkpoint that has one
   * @param options the type to compute in, how the weights are kept (`weights`: 'bf16', 'int8' or 'int4' for inference in less
   *   memory), the device, and whether checksums are verified
   * @throws Error that names the file and the fault: a file is missing or malformed, a weight is missing, unknown or of another
   *   shape, or the device is not there
   * @throws DamagedFileError where the bytes of a file are not those that were saved, unless `verify` is false
   *
   * @example
   * ```js
   * const model = await Transfusion.load('runs/demo/model', { compute: 'bf16' })
   * const small = await Transfusion.load('runs/demo/model', { weights: 'int8' })
   * ```
   */
  static async load(folder: string, options: LoadOptions = {}): Promise<Transfusion> {
    return new Transfusion(await loadModel(folder, options))
  }

  /**
   * A model to train that begins with a language model of Hugging Face's transformers (`config.json`, `tokenizer.json`,
   * safetensors of f32, bf16 or f16): Llama 2 and 3, SmolLM2 and 3, Mistral, Qwen2, Qwen3. It writes text as that does, and its
   * image parts, which a language model lacks, are initialised at random. Embeddings of BOI and EOI, where the tokenizer has
   * none, begin as the mean of the others (Hewitt 2021; our choice).
   *
   * @param folder the language model
   * @param options `image`, the sizes of the images to read and generate, is required; sides and `patch` in pixels. With
   *   `weights: 'stored'` the model is for inference, and a GGUF's quantised blocks are used as they lie
   * @throws Error that names the file and the fault: what is missing, does not fit, or is not supported
   * @throws ConfigError that names what is wrong in the options
   *
   * @example
   * ```js
   * const image = { channels: 3, patch: 8, height: 64, width: 64 }
   * const model = await Transfusion.fromPretrained('Qwen3-0.6B', { image, compute: 'bf16' })
   * ```
   */
  static async fromPretrained(folder: string, options: FromPretrainedOptions): Promise<Transfusion> {
    return new Transfusion(await fromPretrained(folder, options))
  }

  /**
   * The name of {@link Transfusion.fromPretrained} in earlier versions.
   *
   * @param folder the language model
   * @param options as there
   */
  static fromLlama(folder: string, options: FromPretrainedOptions): Promise<Transfusion> {
    return Transfusion.fromPretrained(folder, options)
  }

  /**
   * A model to train that begins with the weights of another: of a model folder (or a run or a checkpoint that has one), or of
   * a language model of Hugging Face's as by `fromPretrained`. The tokenizer is the folder's, and so is what the options leave out.
   *
   * @param folder the model
   * @param options `sizes`, where given, must be those of the weights; a language model needs `sizes.image`, the sizes of the image
   *   parts that it grows. Another weighting of the objective trains on; another process or prediction is refused, as the
   *   weights would mean something else
   * @throws Error that names the first size that differs, before any weight is read, and as `load` and `fromPretrained`
   *
   * @example
   * ```js
   * const model = await Transfusion.initializeFrom('runs/demo', { objective: { weighting: 'minSnr' } })
   * ```
   */
  static async initializeFrom(folder: string, options?: InitializeOptions): Promise<Transfusion> {
    return new Transfusion(await initializeFrom(folder, options))
  }

  /**
   * A new model with random weights.
   *
   * @param options the sizes: layers, channels, heads, and the images that it reads and generates, sides and `patch` in pixels
   *   (`presets` has the paper's). `sizeAdvice` names sizes that are allowed and give bad images
   * @param tokenizer gives the vocabulary and the special tokens
   * @param more seed, computation, device, objective, codec, which is the model's from then on, image preprocessing
   * @throws ConfigError that names what is wrong in the options and what would be right
   * @throws Error where the tokenizer has no end-of-document token
   *
   * @example
   * ```js
   * const image = { channels: 1, patch: 4, height: 28, width: 28 }
   * const model = Transfusion.create({ layers: 4, channels: 128, heads: 4, image }, makeCaptionTokenizer(captions))
   * ```
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
    return new Transfusion(createModel('Transfusion.create', options, tokenizer, more))
  }

  /** The device that holds the weights and computes with them. */
  get device(): Device {
    return this.network.device
  }

  /** Number of weights. */
  get parameterCount(): number {
    return this.network.arena.parameterCount
  }

  /**
   * Reads an image for a prompt: scaled, cropped and converted to the model's channels as `imagePreprocessing` says.
   *
   * @param source an image file (its path, `file:` URL or bytes), or pixels of any size, a canvas's ImageData too
   * @throws Error that names the file and the fault, or says that the model has no codec and reads no pixels
   * @throws TypeError that says what is accepted
   */
  async readImage(source: ImageSource): Promise<Image> {
    return readImage(source, requireImagePreprocessing(this, 'readImage'))
  }

  /**
   * Continues a prompt with text and images, as the model decides: text token by token; at a BOI token an image, denoised from
   * noise; then text again, until the document ends, a stop string or token comes, or `maxTokens` and `maxImages` are used up.
   *
   * Yields, in order: `text` with text that no later token changes; `image-start`, `preview` (every `previewEvery` steps) and
   * `image` with the finished image (`latent` with its values where the model has no codec); last `done` with the reason,
   * counts of tokens and images, and times in milliseconds.
   *
   * It begins with the first call of `next`, waits for a slow consumer, and ends, its memory freed, when the
   * consumer leaves the loop. Any number run at once on one model, batched call by call; what one yields does not depend on
   * the others (text exactly, in f32; images to rounding). No work is done on the JavaScript thread. While the model is
   * trained, each call of the network sees the weights of that moment: for those of one step, generate in the trainer's
   * `every`, or with a model loaded from a save.
   *
   * @param prompt a text, or texts and images in any order; or the messages of a conversation, `{ role, content }`, which the
   *   model's chat template makes a document up to where the answer begins. A text may not hold BOI or EOI
   * @param options greedy text and, for images, 250 steps with guidance 3 by default; the same seed and prompt give the same
   * @throws ConfigError, RangeError or TypeError, from the iterator, that names what is wrong with an option or the prompt
   * @throws the signal's reason when that aborts, and the error of a call of the network that fails
   *
   * @example
   * ```js
   * const prompt = ['A cat:', await model.readImage('cat.jpg'), 'and the same cat at night:']
   * for await (const event of model.generate(prompt, { startWith: 'image', steps: 50, signal: AbortSignal.timeout(60_000) }))
   *   if (event.type === 'image') await writePng(`${event.index}.png`, event.image)
   * ```
   */
  generate(prompt: Prompt, options?: GenerationOptions): AsyncGenerator<GenerationEvent, void, undefined> {
    return generate(this, prompt, options)
  }

  /**
   * Generates one image after each prompt, batched as is good for speed. Image i depends on prompt i and seeds[i] alone, to
   * rounding.
   *
   * @param prompts texts, or lists of texts and images
   * @param seeds whole numbers, one for each prompt; by default 0, 1, 2 ...
   * @param options sampler, steps (250), guidance (3). With `attempts` above 1 the model describes each image, and generates
   *   another where its description is not the prompt; the first is kept where no attempt agrees
   * @param signal ends it; it then rejects with the signal's reason
   * @returns images of the model's size, in the order of the prompts
   * @throws ConfigError that names what is wrong in the options, a RangeError for another number of seeds than prompts or, with
   *   several attempts, a prompt that is no text; and as `generate` for a prompt
   *
   * @example
   * ```js
   * const [boot, bag] = await model.generateImages(['an ankle boot', 'a bag'], [7, 8], { sampler: 'ddim', steps: 50 })
   * ```
   */
  generateImages(
    prompts: readonly Prompt[],
    seeds?: readonly number[],
    options?: ImageGenerationOptions,
    signal?: AbortSignal,
  ): Promise<Image[]> {
    return generateImages(this, prompts, seeds, options, { signal })
  }

  /**
   * Writes the most likely text after each prompt, without images, batched as is good for speed.
   *
   * @param prompts texts, or lists of texts and images
   * @param maxTokens most tokens of each text
   * @param signal ends it; it then rejects with the signal's reason
   * @returns the texts, in the order of the prompts, each to the end of the document or `maxTokens`
   * @throws ConfigError for `maxTokens`, a RangeError or a TypeError that names what is wrong with a prompt
   *
   * @example
   * ```js
   * const [caption] = await model.completeTexts([[await model.readImage('cat.jpg')]])
   * ```
   */
  completeTexts(prompts: readonly Prompt[], maxTokens = 64, signal?: AbortSignal): Promise<string[]> {
    return completeTexts(this, prompts, maxTokens, signal)
  }

  /**
   * Writes `config.json`, `model.safetensors` and `tokenizer.json` into a folder that `load` reads, in place of a model that
   * it has: all files are replaced or, whatever happens, none. The weights are those of the call, even while the model is
   * trained: training goes on, and where it changes them before they are written they are copied first.
   *
   * @param folder made where there is none
   * @param options `precision` of the weights in the file: f32, or bf16 in half the space. Quantised weights are written as they
   *   lie
   * @throws Error that names the file which cannot be written
   */
  async save(folder: string, options: { precision?: SavedPrecision } = {}): Promise<void> {
    checkArguments('save', { folder: [folder, 'string'] })
    checkOptions('save', options, { precision: true })
    await saveModel(folder, this, options.precision)
  }

  /**
   * Writes the text part as a Hugging Face Llama, or as the Qwen2, Qwen3, SmolLM3 or Mistral that its config is, which
   * transformers loads with the same logits on text, and `fromPretrained` to the bit in f32. The vocabulary keeps the rows of BOI and EOI; the image parts are left out. The weights are those of the call,
   * as by `save`.
   *
   * @param folder made where there is none; a Llama that it holds is replaced
   * @param options `precision` of the weights in the file: f32, or bf16 in half the space
   * @throws Error where no model type of these has what the config says, where the folder holds a Transfusion model, or a `config.json` that does not say what it is
   */
  async toLlama(folder: string, options: { precision?: SavedPrecision } = {}): Promise<void> {
    checkArguments('toLlama', { folder: [folder, 'string'] })
    checkOptions('toLlama', options, { precision: true })
    await toLlama(folder, this, options.precision)
  }

  /**
   * Adds low-rank updates of the text part, a LoRA adapter as Hugging Face's PEFT writes it (`adapter_config.json`,
   * `adapter_model.safetensors`), to the weights. With weights of images' own these stay as they are: `fromPretrained` with the
   * option `adapter` has them begin as copies of the text's with the updates. Not while a `save` of frozen weights is under way.
   *
   * @param folder the adapter
   * @throws ConfigError that names what of its config is not supported: DoRA, trained biases, modules_to_save
   * @throws Error that names the file and what of it is missing or does not fit, or says that the weights are quantised; nothing
   *   is changed then
   */
  async mergeAdapter(folder: string): Promise<void> {
    await mergeAdapter(folder, this.network)
  }

  /**
   * Writes the low-rank updates of the text part, those that `lora` has made, as a LoRA adapter that Hugging Face's PEFT
   * reads beside the language model that they were trained on. What else of the text was trained is not in it: with `freeze`
   * 'text' nothing is. The values are those of the call, as by `save`.
   *
   * @param folder made where there is none; an adapter that it holds is replaced
   * @throws Error where the model has none
   */
  async saveAdapter(folder: string): Promise<void> {
    await saveAdapter(folder, this.network)
  }

  /** Frees the weights, those of its codec too; the model is of no use afterwards. */
  [Symbol.dispose](): void {
    this.network[Symbol.dispose]()
    this.codec?.[Symbol.dispose]?.()
  }
}
