import type { Image } from '../data/document.js'
import type { Tokenizer } from '../data/tokenizer.js'
import type { TransfusionConfig } from '../models/transfusion/config.js'
import { imagePart, type PixelPart } from '../models/transfusion/pixel_parts.js'
import type { Part, TextPart } from '../sequence/document.js'

/** Text and images in any order. */
export type Prompt = string | readonly (string | Image)[]

/**
 * A prompt as parts of a document. Throws a RangeError that names what is wrong when an image has other channels
 * than the model, or is not cut evenly into patches.
 */
export function promptParts(
  prompt: Prompt,
  tokenizer: Tokenizer,
  config: TransfusionConfig,
): Part<PixelPart>[] {
  const pieces = typeof prompt === 'string' ? [prompt] : prompt
  return pieces.map((piece, i) =>
    typeof piece === 'string' ? textPart(piece, tokenizer) : imagePart(piece, config, `prompt[${i}]`),
  )
}

export const textPart = (text: string, tokenizer: Tokenizer): TextPart => ({
  type: 'text',
  ids: [...tokenizer.encode(text)],
})
