// The models that are measured, with images of 256 patches and a tokenizer of one token a word.
import { makeCaptionTokenizer, paperVocabulary, presets, Transfusion } from '../../dist/index.js'

/** Layers, width, heads and vocabulary by name. */
export const sizes = {
  '0.16B': { ...presets['0.16B'], vocabulary: paperVocabulary.vocabulary },
  '50M': { layers: 12, channels: 512, heads: 8, vocabulary: 16_384 },
  '5M': { layers: 6, channels: 256, heads: 4, vocabulary: 1024 },
}

/** 64 x 64 pixels in patches of 4 x 4. */
export const image = { channels: 3, patch: 4, height: 64, width: 64 }
export const patchesPerImage = 256

/** What any caption tokenizer has besides words. */
const specialTokens = makeCaptionTokenizer([]).vocabularySize

/** A prompt of so many tokens, another for each number. */
export const words = (count, number = 0) =>
  Array.from({ length: count }, (_, i) => `w${1 + ((number * 37 + i * 11) % 500)}`).join(' ')

/** A new model with random weights, of one of the sizes above, or of what they hold. */
export const makeModel = (size, compute) =>
  makeModelOf(typeof size === 'string' ? sizes[size] : size, compute)

/** The same of any size: what `sizes` holds. */
export function makeModelOf({ vocabulary, ...options }, compute) {
  const known = Array.from({ length: vocabulary - specialTokens }, (_, i) => `w${i + 1}`)
  return Transfusion.create({ image, ...options }, makeCaptionTokenizer(known), { compute })
}
