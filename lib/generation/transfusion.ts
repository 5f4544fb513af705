import { parseConfig } from '../config.js'
import type { Image } from '../data/document.js'
import { JsonTokenizer } from '../data/tokenizer.js'
import { type Objective, objectiveSchema } from '../diffusion/objective.js'
import type { TransfusionOptions } from '../models/transfusion/config.js'
import { loadModel, type ModelParts, saveModel } from '../models/transfusion/folder.js'
import { TransfusionNetwork } from '../models/transfusion/model.js'
import type { ComputeType } from '../nn/arena.js'
import { completeTexts, drawImages } from './batch.js'
import { type GeneratedPart, generate } from './generate.js'
import type { GenerationOptions, ImageOptions } from './options.js'
import type { Prompt } from './prompt.js'

/** A model with its tokenizer: what one trains, saves, loads and generates with. */
export class Transfusion implements ModelParts {
  private constructor(
    readonly network: TransfusionNetwork,
    readonly tokenizer: JsonTokenizer,
    readonly objective: Objective,
  ) {}

  /** A model folder, as `save` and `transfusion train` write it. Throws an Error that names the file and the fault. */
  static async load(
    folder: string,
    { compute = 'f32' }: { compute?: ComputeType } = {},
  ): Promise<Transfusion> {
    const { network, tokenizer, objective } = await loadModel(folder, compute)
    return new Transfusion(network, tokenizer, objective)
  }

  /**
   * A new model with random weights. The vocabulary and the special tokens are the tokenizer's. Throws a ConfigError
   * that names what is wrong in the options and what would be right.
   */
  static create(
    options: Omit<TransfusionOptions, 'vocabulary' | 'tokens'>,
    tokenizer: JsonTokenizer,
    { seed = 0, compute = 'f32' as ComputeType, objective = {} as Partial<Objective> } = {},
  ): Transfusion {
    const parsedObjective = parseConfig(objectiveSchema, objective, 'objective')
    const network = new TransfusionNetwork({ ...options, ...tokenizerIds(tokenizer) }, compute)
    network.arena.initialize(seed)
    return new Transfusion(network, tokenizer, parsedObjective)
  }

  get parameterCount(): number {
    return this.network.arena.parameterCount
  }

  /** Goes on from a prompt of text and images; see generate.ts. */
  generate(prompt: Prompt, options?: GenerationOptions): AsyncGenerator<GeneratedPart, void, undefined> {
    return generate(this, prompt, options)
  }

  /** Draws one image after each prompt, all together: image i depends on prompt i and seeds[i] alone. */
  drawImages(
    prompts: readonly Prompt[],
    seeds: readonly number[] = prompts.map((_, i) => i),
    options?: ImageOptions,
    signal?: AbortSignal,
  ): Promise<Image[]> {
    return drawImages(this, prompts, seeds, options, signal)
  }

  /** Writes the most likely text after each prompt, all together, up to `maxTokens` tokens each. */
  completeTexts(prompts: readonly Prompt[], maxTokens = 64, signal?: AbortSignal): Promise<string[]> {
    return completeTexts(this, prompts, maxTokens, signal)
  }

  /** Writes config, weights and tokenizer into a folder that `load` reads. */
  save(folder: string): Promise<void> {
    return saveModel(folder, this)
  }

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
