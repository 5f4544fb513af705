import type { Image } from '../data/document.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { uploadLayout } from '../models/transfusion/device_layout.js'
import { imagePart, type PixelPart, pixelsOf, specialTokens } from '../models/transfusion/pixel_parts.js'
import { noGrad } from '../autograd/tape.js'
import { crossEntropy } from '../ops/cross_entropy.js'
import { sum } from '../ops/reduce.js'
import type { Document } from '../sequence/document.js'
import { packDocuments } from '../sequence/packing.js'
import { scope } from '../tensor/scope.js'
import { fromArray, zeros } from '../tensor/tensor.js'

const batchSize = 250

/** exp(mean negative log-likelihood) per caption token, given the clean image before it. */
export async function captionPerplexity(
  { network, tokenizer }: ModelParts,
  pairs: readonly { image: Image; caption: string }[],
): Promise<number> {
  const { config } = network
  const tokens = specialTokens(config)
  let total = 0
  let count = 0
  for (let first = 0; first < pairs.length; first += batchSize) {
    const batch = pairs.slice(first, first + batchSize)
    const documents = batch.map(({ image, caption }, i): Document<PixelPart> => ({
      parts: [
        imagePart(image, config, `pair ${first + i}`),
        { type: 'text', ids: [...tokenizer.encode(caption)] },
      ],
      end: false,
    }))
    const packed = packDocuments(documents, { patch: config.image.patch, tokens })
    // BOI, which BOS predicts, is no caption token.
    const rows = Int32Array.from(packed.labels.keys()).filter(
      (row) => packed.labels[row]! >= 0 && packed.labels[row] !== tokens.boi,
    )
    const losses = noGrad(() =>
      scope(() => {
        const layout = uploadLayout(packed)
        const pixels = fromArray(pixelsOf(packed.images), [-1, config.image.channels])
        const hidden = network.hidden(layout, { pixels, t: zeros([layout.images]) })
        const labels = fromArray(rows.map((row) => packed.labels[row]!))
        return sum(crossEntropy(network.logits(hidden, fromArray(rows)), labels))
      }),
    )
    total += (await losses.readFloats())[0]!
    losses.free()
    count += rows.length
  }
  return Math.exp(total / count)
}
