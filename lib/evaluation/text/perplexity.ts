import { checkArguments, checkOptions, wrongArgument } from '../../arguments.js'
import type { Image } from '../../image/image.js'
import type { Sample } from '../../data/sources/image_dataset.js'
import type { GenerativeModel } from '../../generation/model.js'
import { encodedImagePart, type EncodedPart } from '../../sequence/image_parts.js'
import type { DocumentParts } from '../../sequence/document.js'
import { documentLikelihoods, type LikelihoodOptions } from './likelihood.js'

/** An image and what it shows. */
export interface CaptionedImage {
  /** As the model reads it. */
  image: Image
  /** What is to be predicted from it. */
  caption: string
}

/**
 * exp(mean negative log-likelihood) per caption token, given the clean image before it. Samples of data sets are taken,
 * too. Rejects with a TypeError that names the first pair that is neither.
 */
export async function captionPerplexity(
  model: GenerativeModel,
  pairs: Iterable<CaptionedImage | Sample>,
  options?: LikelihoodOptions,
): Promise<number> {
  checkArguments('captionPerplexity', {
    model: [model, 'model'],
    pairs: [pairs, 'iterable'],
  })
  checkOptions('captionPerplexity', options, { positions: true, signal: true })
  const documents = captionDocuments(pairs, model)
  let nll = 0
  let tokens = 0
  for await (const likelihood of documentLikelihoods(model.network, documents, options)) {
    nll += likelihood.nll
    tokens += likelihood.tokens
  }
  if (tokens === 0)
    throw new RangeError(
      'captionPerplexity: pairs must have a caption to predict, received none, or empty ones',
    )
  return Math.exp(nll / tokens)
}

async function* captionDocuments(
  pairs: Iterable<CaptionedImage | Sample>,
  model: GenerativeModel,
): AsyncGenerator<DocumentParts<EncodedPart>> {
  let i = 0
  for (const pair of pairs) {
    const { image, caption } = captionedImageOf(pair, `pairs[${i}]`)
    yield {
      parts: [
        await encodedImagePart(image, model, `pair ${i}`),
        { type: 'text', ids: [...(await model.tokenizer.encode(caption))] },
      ],
      end: false,
    }
    i++
  }
}

function captionedImageOf(pair: CaptionedImage | Sample, name: string): CaptionedImage {
  const { image, caption, parts } = Object(pair) as Partial<CaptionedImage & Sample>
  if (image !== undefined && typeof caption === 'string') return { image, caption }
  const images = parts?.flatMap((part) => ('image' in part ? [part.image] : [])) ?? []
  const texts = parts?.flatMap((part) => (part.type === 'text' ? [part.text] : [])) ?? []
  if (images.length === 1 && texts.length === 1) return { image: images[0]!, caption: texts[0]! }
  throw wrongArgument('captionPerplexity', name, '{ image, caption }, or a sample with one of each', pair)
}
