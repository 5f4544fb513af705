import { concat } from '../../ops/concat.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { sampleTokens } from '../../ops/sampling.js'
import { rowSeeds } from '../../random.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import type { Generation } from './generation.js'
import type { GenerativeNetwork } from '../model.js'
import type { ModelBatch } from './model_batch.js'
import type { GenerationSettings } from '../options.js'
import { type AppendingRequest, isAppending } from './scheduled_request.js'

/** Tokens on the device: ids [N] i32, and the request that each is for. */
export interface SampledTokens {
  readonly ids: Tensor
  readonly requests: readonly AppendingRequest[]
}

const noIds: readonly number[] = []

/**
 * Samples the next tokens of a step's generations. It keeps them on the device until the next step, whose placeholders
 * (async scheduling) they fill.
 */
export class TokenSampler {
  readonly #network: GenerativeNetwork
  /** Biases [V] that rule tokens out, with BOI allowed and without, by the ids that a tokenizer has no token for. */
  readonly #biases = new WeakMap<readonly number[], { withImages: Float32Array; textOnly: Float32Array }>()
  #lastSampled: SampledTokens | undefined

  constructor(network: GenerativeNetwork) {
    this.#network = network
  }

  /** The ids [T] of a batch, its placeholders filled with the tokens that the last step has sampled. */
  fillPlaceholders({ requests, metadata, lastRows }: ModelBatch): Tensor {
    const waiting = requests.filter(({ input }) => input.type === 'append' && input.placeholderAt)
    if (waiting.length === 0) return metadata.ids
    const { ids, requests: sampled } = this.#lastSampled!
    const owners = sampled.map(({ generation }) => generation)
    const rows = Int32Array.from({ length: metadata.ids.elements }, (_, row) => row)
    for (const request of waiting)
      rows[lastRows.get(request)!] = rows.length + owners.indexOf(request.generation)
    return gatherRows(concat([metadata.ids, ids], 0), fromArray(rows))
  }

  /** Samples a token for each request that wants one; undefined where none does. `hidden` [T, C]. */
  sample({ requests, lastRows }: ModelBatch, hidden: Tensor): SampledTokens | undefined {
    const groups = new Map<Float32Array, AppendingRequest[]>()
    for (const request of requests.filter(isAppending)) {
      if (request.input.next !== 'token') continue
      const bias = this.#biasOf(request.generation)
      groups.set(bias, [...(groups.get(bias) ?? []), request])
    }
    if (groups.size === 0) return undefined
    const sampled = [...groups].map(([bias, group]) => {
      const rows = Int32Array.from(group, (request) => lastRows.get(request)!)
      return sampleNextTokens(
        this.#network.logits(hidden, fromArray(rows)),
        fromArray(bias),
        group.map(({ generation: { request, position } }) => ({ settings: request.settings, position })),
      )
    })
    const ids = sampled.length > 1 ? concat(sampled, 0) : sampled[0]!
    return { ids, requests: [...groups.values()].flat() }
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
      // EOI is appended by the engine when it commits an image, and BOS continues nothing.
      const never = [tokens.bos, tokens.eoi, ...idsWithoutToken]
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
  readonly settings: Pick<GenerationSettings, 'temperature' | 'topK' | 'topP' | 'minP' | 'seed'>
  /** The token's number in its generation: seed and position alone determine its random numbers. */
  readonly position: number
}

/** Samples the next token of each row of logits [N, V] -> ids [N] i32. `bias` [V] is added to all rows. */
function sampleNextTokens(logits: Tensor, bias: Tensor, rows: readonly TokenSampling[]): Tensor {
  const floats = (of: (settings: TokenSampling['settings']) => number) =>
    fromArray(Float32Array.from(rows, ({ settings }) => of(settings)))
  const seeds = new Int32Array(rows.length * 4)
  rows.forEach(({ settings, position }, i) => seeds.set(rowSeeds([settings.seed], 'token', position), i * 4))
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
