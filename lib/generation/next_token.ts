import { sampleTokens } from '../ops/sampling.js'
import { rowSeeds } from '../random.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** How tokens are drawn: greedy by default, as in the paper. */
export interface TokenOptions {
  /** 0: the most likely token. */
  temperature: number
  /** Only the k most likely tokens; 0: all. */
  topK: number
  /** Only the most likely tokens that together have this probability; 1: all. */
  topP: number
  /** Only tokens at least this many times as likely as the most likely one; 0: all. */
  minP: number
}

/**
 * Draws the next token of each row of logits [B, V] -> ids [B] i32. `position` is the token's number in its
 * generation: the same seed and position draw alike, whatever is generated beside it. `bias` [V] is added.
 */
export function nextTokens(
  logits: Tensor,
  bias: Tensor,
  options: TokenOptions,
  seeds: readonly number[],
  position: number,
): Tensor {
  const rows = seeds.length
  return sampleTokens(logits, {
    bias,
    temperature: fromArray(new Float32Array(rows).fill(options.temperature)),
    topK: fromArray(new Int32Array(rows).fill(options.topK)),
    topP: fromArray(new Float32Array(rows).fill(options.topP)),
    minP: fromArray(new Float32Array(rows).fill(options.minP)),
    seeds: fromArray(rowSeeds(seeds, 'token', position), [rows, 4]),
  })
}

/** A bias [V] that rules tokens out. */
export function ruleOut(vocabulary: number, ids: readonly (number | undefined)[]): Float32Array {
  const bias = new Float32Array(vocabulary)
  for (const id of ids) if (id !== undefined) bias[id] = -Infinity
  return bias
}
