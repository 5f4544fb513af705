import type { Image } from '../image/image.js'
import { describe } from '../describe.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { GenerativeConfig } from './model.js'
import { encodedImagePart, type EncodedPart } from '../sequence/image_parts.js'
import { documentSpans, type Part, type TextPart } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/layout.js'

/** Text and images in any order. */
export type Prompt = string | readonly (string | Image)[]

/**
 * A prompt as parts of a document. Rejects with a RangeError that names what is wrong when an image has other channels
 * than the model, is not cut evenly into patches or lacks pixels, or a text has what is no token of the model's; a
 * TypeError when a piece is neither text nor an image.
 */
export async function promptParts(
  prompt: Prompt,
  tokenizer: Tokenizer,
  config: GenerativeConfig,
): Promise<Part<EncodedPart>[]> {
  const pieces = typeof prompt === 'string' ? [prompt] : prompt
  if (!Array.isArray(pieces))
    throw new TypeError(`prompt: expected text, or a list of texts and images; received ${describe(prompt)}`)
  return Promise.all(
    (pieces as readonly (string | Image)[]).map(async (piece, i) => {
      if (typeof piece === 'string') return checkedIds(await textPart(piece, tokenizer), config.vocabulary)
      if (typeof piece !== 'object' || piece === null || !('data' in piece))
        throw new TypeError(
          `prompt[${i}]: expected text or an image { width, height, channels, data }, as readImage makes of files; ` +
            `received ${describe(piece)}`,
        )
      return encodedImagePart(piece, { network: { config } }, `prompt[${i}]`)
    }),
  )
}

/** Throws a TypeError where a list of prompts is none. */
export function checkPrompts(prompts: readonly Prompt[]): void {
  if (!Array.isArray(prompts))
    throw new TypeError(`prompts: expected a list of prompts; received ${describe(prompts)}`)
}

/** A prompt as it stands in a sequence, BOS first. Rejects as `promptParts`, and for BOI or EOI in a text. */
export async function promptSpans(
  prompt: Prompt,
  tokenizer: Tokenizer,
  config: GenerativeConfig,
): Promise<Part<EncodedPart>[]> {
  const parts = await promptParts(prompt, tokenizer, config)
  return documentSpans({ parts, end: false }, config.tokens).filter(
    (part) => part.type === 'image' || part.ids.length > 0,
  )
}

/**
 * The first parts of at most `budget` positions, at least one, and the rest. A text may be cut anywhere; an image is
 * read as a whole, since its patches see each other.
 */
export function firstParts(
  parts: readonly Part<EncodedPart>[],
  budget: number,
  patch: number,
): [first: Part<EncodedPart>[], rest: Part<EncodedPart>[]] {
  const first: Part<EncodedPart>[] = []
  let left = Math.max(1, budget)
  for (const [i, part] of parts.entries()) {
    const { length } = advance(sequenceStart, [part], patch)
    if (length > left && part.type === 'text' && left > 0) {
      first.push({ type: 'text', ids: part.ids.slice(0, left) })
      return [first, [{ type: 'text', ids: part.ids.slice(left) }, ...parts.slice(i + 1)]]
    }
    if (length > left && first.length > 0) return [first, parts.slice(i)]
    first.push(part)
    left -= length
  }
  return [first, []]
}

/** The model's tokens alone: others would fail on the device, with all that is computed beside them. */
function checkedIds(part: TextPart, vocabulary: number): TextPart {
  for (const id of part.ids)
    if (!(id >= 0 && id < vocabulary))
      throw new RangeError(`prompt: token ${id} of the tokenizer, the model's vocabulary has ${vocabulary}`)
  return part
}

export const textPart = async (text: string, tokenizer: Tokenizer): Promise<TextPart> => ({
  type: 'text',
  ids: [...(await tokenizer.encode(text))],
})
