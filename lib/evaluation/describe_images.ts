import { checkArguments, checkOptions } from '../arguments.js'
import type { Image } from '../image/image.js'
import type { LabelledImages } from '../data/sources/folder/image_folder.js'
import { mostTokens } from '../tokenizer/tokenizer.js'
import { completeTexts } from '../generation/batch.js'
import type { GenerativeModel } from '../generation/model.js'

/** How images are described. */
export interface DescribingOptions {
  /** Most tokens of a caption, 64 by default: a longer one is cut. */
  maxTokens?: number
  /** Called for each caption that has `maxTokens` tokens and so may have been cut, with the index of its image. */
  onCut?: (image: number) => void
  /** Stops the work, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The greedy caption of each image, without white space around it. */
export async function describeImages(
  model: GenerativeModel,
  images: readonly Image[],
  options: DescribingOptions = {},
): Promise<string[]> {
  checkArguments('describeImages', {
    model: [model, 'model'],
    images: [images, 'array'],
  })
  checkOptions('describeImages', options, { maxTokens: true, onCut: true, signal: true })
  const { maxTokens = 64, onCut, signal } = options
  const prompts = images.map((image) => [image])
  const written = await completeTexts(model, prompts, maxTokens, signal)
  for (const [i, text] of written.entries())
    if (onCut && (await model.tokenizer.encode(text)).length >= maxTokens) onCut(i)
  return written.map((text) => text.trim())
}

/** The first images of a data set with the captions of their classes. */
export const captionedImages = (dataset: LabelledImages, captions: readonly string[], count: number) =>
  Array.from({ length: Math.min(count, dataset.length) }, (_, i) => ({
    image: dataset.image(i),
    caption: captions[dataset.label(i)]!,
  }))

/** Each pair with the greedy caption that the model writes for its image, and the share of these that equal the pair's own. */
export async function describePairs<Pair extends { image: Image; caption: string }>(
  model: GenerativeModel,
  pairs: readonly Pair[],
  signal?: AbortSignal,
): Promise<{ described: (Pair & { written: string })[]; accuracy: number }> {
  const images = pairs.map(({ image }) => image)
  const captions = pairs.map(({ caption }) => caption)
  // One token more than the longest caption: a text that is cut there equals none of them.
  const maxTokens = 1 + (await mostTokens(model.tokenizer, captions))
  const written = await describeImages(model, images, { maxTokens, signal })
  const described = pairs.map((pair, i) => ({ ...pair, written: written[i]! }))
  const correct = described.filter(({ caption, written }) => written === caption).length
  return { described, accuracy: correct / pairs.length }
}
