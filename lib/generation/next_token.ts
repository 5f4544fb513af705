import { sampleTokens } from '../ops/sampling.js'
import { rowSeeds } from '../random.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import type { GenerationSettings } from './options.js'

/** How tokens are drawn: greedy by default, as in the paper. */
export type TokenOptions = Pick<GenerationSettings, 'temperature' | 'topK' | 'topP' | 'minP' | 'seed'>

/** A token to draw. */
export interface TokenDraw {
  options: TokenOptions
  /** The token's number in its generation: the same seed and position draw alike, whatever is drawn beside it. */
  position: number
}

/** Draws the next token of each row of logits [B, V] -> ids [B] i32. `bias` [V] is added. */
export function nextTokens(logits: Tensor, bias: Tensor, draws: readonly TokenDraw[]): Tensor {
  const floats = (of: (options: TokenOptions) => number) =>
    fromArray(Float32Array.from(draws, ({ options }) => of(options)))
  const seeds = new Int32Array(draws.length * 4)
  draws.forEach(({ options, position }, i) => seeds.set(rowSeeds([options.seed], 'token', position), i * 4))
  return sampleTokens(logits, {
    bias,
    temperature: floats(({ temperature }) => temperature),
    topK: fromArray(Int32Array.from(draws, ({ options }) => options.topK)),
    topP: floats(({ topP }) => topP),
    minP: floats(({ minP }) => minP),
    seeds: fromArray(seeds, [draws.length, 4]),
  })
}

/** A bias [V] that rules tokens out. */
export function ruleOut(vocabulary: number, ids: readonly (number | undefined)[]): Float32Array {
  const bias = new Float32Array(vocabulary)
  for (const id of ids) if (id !== undefined) bias[id] = -Infinity
  return bias
}
