import { add } from '../../ops/add.js'
import { concat } from '../../ops/concat.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { sampleTokens } from '../../ops/sampling.js'
import { scale } from '../../ops/scale.js'
import { rowSeeds } from '../../random.js'
import { type CodeTokens, codeTokensOf } from '../../sequence/code_tokens.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import type { Generation } from './generation.js'
import type { GenerativeNetwork } from '../model.js'
import type { ModelBatch } from './model_batch.js'
import type { CodeSampling } from '../image_sampling.js'
import type { ScheduledRequest } from './scheduled_request.js'

/** Tokens on the device: ids [N] i32, and the request that each is for. */
export interface SampledTokens {
  readonly ids: Tensor
  readonly requests: readonly ScheduledRequest[]
}

/** Tokens of a step that one call samples. */
interface TokenGroup {
  /** `[V]`: what rules tokens out. */
  readonly bias: Float32Array
  /** Scale of classifier-free guidance; 1: none. */
  readonly guidance: number
  readonly requests: ScheduledRequest[]
}

const noIds: readonly number[] = []

/**
 * Samples the next tokens of a step's generations, codes of their images among them. It keeps them on the device until the
 * next step, whose placeholders (async scheduling) they fill.
 */
export class TokenSampler {
  readonly #network: GenerativeNetwork
  /** Biases [V] that rule tokens out, with BOI allowed and without, by the ids that a tokenizer has no token for. */
  readonly #biases = new WeakMap<readonly number[], { withImages: Float32Array; textOnly: Float32Array }>()
  readonly #codes: CodeTokens | undefined
  /** The bias [V] that rules out all but codes; absent where images are no tokens. */
  readonly #codeBias: Float32Array | undefined
  #lastSampled: SampledTokens | undefined

  constructor(network: GenerativeNetwork) {
    this.#network = network
    const { config } = network
    this.#codes = codeTokensOf(config)
    this.#codeBias = this.#codes && new Float32Array(config.vocabulary).fill(-Infinity)
    for (const id of this.#codes?.ids ?? []) this.#codeBias![id] = 0
  }

  /** The ids [T] of a batch, its placeholders filled with the tokens that the last step has sampled. */
  fillPlaceholders({ requests, metadata, lastRows, unconditionalRows }: ModelBatch): Tensor {
    const waiting = requests.filter(({ input }) =>
      input.type === 'append' ? input.placeholderAt : input.type === 'code' && input.isPlaceholder,
    )
    if (waiting.length === 0) return metadata.ids
    const { ids, requests: sampled } = this.#lastSampled!
    const owners = sampled.map(({ generation }) => generation)
    const rows = Int32Array.from({ length: metadata.ids.elements }, (_, row) => row)
    const first = rows.length
    for (const request of waiting)
      for (const row of [lastRows.get(request), unconditionalRows.get(request)])
        if (row !== undefined) rows[row] = first + owners.indexOf(request.generation)
    return gatherRows(concat([metadata.ids, ids], 0), fromArray(rows))
  }

  /** Samples a token for each request that wants one; undefined where none does. `hidden` [T, C]. */
  sample(batch: ModelBatch, hidden: Tensor): SampledTokens | undefined {
    const groups: TokenGroup[] = []
    for (const request of batch.requests) {
      const { generation, input } = request
      if (input.type === 'denoise' || (input.type === 'append' && input.next !== 'token')) continue
      const bias = input.type === 'code' ? this.#codeBias! : this.#biasOf(generation)
      const guidance = batch.unconditionalRows.has(request) ? generation.request.imageSampling.guidance : 1
      const group = groups.find((group) => group.bias === bias && group.guidance === guidance)
      if (group) group.requests.push(request)
      else groups.push({ bias, guidance, requests: [request] })
    }
    if (groups.length === 0) return undefined
    const sampled = groups.map((group) =>
      sampleNextTokens(
        this.#logits(batch, group, hidden),
        fromArray(group.bias),
        group.requests.map(samplingOf),
      ),
    )
    const ids = sampled.length > 1 ? concat(sampled, 0) : sampled[0]!
    return { ids, requests: groups.flatMap(({ requests }) => requests) }
  }

  /**
   * Logits [N, V] of a group: with guidance g those with the condition c and without it u are u + g (c - u) (paper, section 4.1,
   * for its baseline's tokens).
   */
  #logits(
    { lastRows, unconditionalRows }: ModelBatch,
    { guidance, requests }: TokenGroup,
    hidden: Tensor,
  ): Tensor {
    const logitsOf = (rows: ModelBatch['lastRows']) =>
      this.#network.logits(hidden, fromArray(Int32Array.from(requests, (request) => rows.get(request)!)))
    const conditional = logitsOf(lastRows)
    if (guidance === 1) return conditional
    return add(scale(conditional, guidance), scale(logitsOf(unconditionalRows), 1 - guidance))
  }

  /** Keeps the tokens of the step that is enqueued for the next one, and frees those of the step before. */
  keepForNextStep(tokens: SampledTokens | undefined): void {
    this.#lastSampled?.ids.free()
    if (tokens) keep(tokens.ids)
    this.#lastSampled = tokens
  }

  [Symbol.dispose](): void {
    this.keepForNextStep(undefined)
  }

  #biasOf({ mayGenerateImage, request }: Generation): Float32Array {
    const { idsWithoutToken = noIds } = request.tokenizer ?? {}
    let biases = this.#biases.get(idsWithoutToken)
    if (!biases) {
      const { vocabulary, tokens } = this.#network.config
      // EOI is appended by the engine when it commits an image, BOS continues nothing, and codes stand in images alone.
      const never = [tokens.bos, tokens.eoi, ...idsWithoutToken, ...(this.#codes?.ids ?? [])]
      biases = {
        withImages: biasAgainst(never, vocabulary),
        textOnly: biasAgainst([...never, tokens.boi], vocabulary),
      }
      this.#biases.set(idsWithoutToken, biases)
    }
    return mayGenerateImage ? biases.withImages : biases.textOnly
  }
}

/** How the next token of one sequence is sampled. */
interface TokenSampling {
  readonly settings: CodeSampling
  /** `[4]`: its random numbers, which the generation's seed and the token's number in it, or in its image, alone determine. */
  readonly seeds: Int32Array
}

function samplingOf({ generation, input }: ScheduledRequest): TokenSampling {
  const { settings, imageSampling } = generation.request
  return input.type === 'code'
    ? { settings: imageSampling.codes, seeds: rowSeeds([generation.imageSeed], 'code', input.index) }
    : { settings, seeds: rowSeeds([settings.seed], 'token', generation.position) }
}

/** Samples the next token of each row of logits [N, V] -> ids [N] i32. `bias` [V] is added to all rows. */
function sampleNextTokens(logits: Tensor, bias: Tensor, rows: readonly TokenSampling[]): Tensor {
  const floats = (of: (settings: CodeSampling) => number) =>
    fromArray(Float32Array.from(rows, ({ settings }) => of(settings)))
  const seeds = new Int32Array(rows.length * 4)
  rows.forEach((row, i) => seeds.set(row.seeds, i * 4))
  return sampleTokens(logits, {
    bias,
    temperature: floats(({ temperature }) => temperature),
    topK: fromArray(Int32Array.from(rows, ({ settings }) => settings.topK)),
    topP: floats(({ topP }) => topP),
    minP: floats(({ minP }) => minP),
    seeds: fromArray(seeds, [rows.length, 4]),
  })
}

/** A bias [V] that gives the tokens of these ids probability 0. */
function biasAgainst(ids: readonly (number | undefined)[], vocabulary: number): Float32Array {
  const bias = new Float32Array(vocabulary)
  for (const id of ids) if (id !== undefined) bias[id] = -Infinity
  return bias
}
