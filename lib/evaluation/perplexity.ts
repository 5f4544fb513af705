import type { Image } from '../data/document.js'
import type { Tokenizer } from '../data/tokenizer.js'
import type { TransfusionConfig } from '../models/transfusion/config.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { imagePart, type PixelPart } from '../models/transfusion/pixel_parts.js'
import type { Document } from '../sequence/document.js'
import { documentLikelihoods, type LikelihoodOptions } from './likelihood.js'

/** exp(mean negative log-likelihood) per caption token, given the clean image before it. */
export async function captionPerplexity(
  { network, tokenizer }: ModelParts,
  pairs: readonly { image: Image; caption: string }[],
  options?: LikelihoodOptions,
): Promise<number> {
  const documents = captionDocuments(pairs, network.config, tokenizer)
  let nll = 0
  let tokens = 0
  for await (const likelihood of documentLikelihoods(network, documents, options)) {
    nll += likelihood.nll
    tokens += likelihood.tokens
  }
  return Math.exp(nll / tokens)
}

async function* captionDocuments(
  pairs: readonly { image: Image; caption: string }[],
  config: TransfusionConfig,
  tokenizer: Tokenizer,
): AsyncGenerator<Document<PixelPart>> {
  for (const [i, { image, caption }] of pairs.entries())
    yield {
      parts: [
        imagePart(image, config, `pair ${i}`),
        { type: 'text', ids: [...(await tokenizer.encode(caption))] },
      ],
      end: false,
    }
}
