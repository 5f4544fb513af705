import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { objectiveSchema } from '../../lib/diffusion/objective.js'
import type { ModelParts } from '../../lib/models/transfusion/io/folder.js'
import { perturbedNetwork, tinyConfig, tokens } from '../models/transfusion/tiny_model.js'

/** Words a .. g are the ids 5 .. 11, after the special tokens of `tinyConfig`. */
export const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
const [a, b, c, d, e, f] = [5, 6, 7, 8, 9, 10] as const

/** What follows each token, best first: of what is ruled out the next best is taken. */
const following: [id: number, next: readonly number[]][] = [
  [tokens.bos, [tokens.boi]],
  [a, [b]],
  [b, [tokens.boi, e]],
  [tokens.eoi, [c]],
  [c, [d]],
  [d, [tokens.eoi, tokens.bos, e]],
  [e, [f]],
  [f, [tokens.end]],
]

/**
 * A model whose text is known: "a" continues "b", an image, "c d e f", the end. Each token's embedding dwarfs what the
 * layers add in a channel of its own, which the output matrix reads; images come from random weights.
 */
export async function scriptedModel(): Promise<ModelParts> {
  const network = await perturbedNetwork()
  const { vocabulary, channels } = tinyConfig
  const embedding = new Float32Array(vocabulary * channels)
  const output = new Float32Array(vocabulary * channels)
  for (let id = 0; id < vocabulary; id++) embedding[id * channels + id] = 100
  for (const [id, next] of following)
    next.forEach((token, rank) => (output[token * channels + id] = 4 - rank))
  for (const parameter of network.arena.parameters) {
    const written = { 'embedding.weight': embedding, 'output.weight': output }[parameter.name]
    if (!written) continue
    using values = network.arena.valuesOf(parameter)
    values.write(written)
  }
  network.arena.updated()
  return { network, tokenizer, objective: objectiveSchema.parse({}) }
}
