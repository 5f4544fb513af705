import { checkArguments } from '../../../arguments.js'
import type { PreparedDocument } from '../../../data/document_stream.js'
import type { ImageModel } from '../../../sequence/image_model.js'
import { imagePart, type ImageInput } from '../../../sequence/image_parts.js'
import { randomUniform } from '../../../random.js'
import { type Document, dropCondition } from '../../../sequence/document.js'
import { arrangePair, pairOrder } from '../../../sequence/order.js'
import type { TransfusionTrainingOptions } from './options.js'

/** How documents are arranged; see `TransfusionTrainingSettings`. */
export type ArrangeOptions = Pick<
  TransfusionTrainingOptions,
  'seed' | 'captionFirst' | 'captionFirstTextWeight' | 'conditionDropout'
>

/**
 * A document as it is trained on. One text followed by one image is a captioned image, of which training chooses the
 * order (section 4.1); any other document stays as it is. A share of documents is cut down to one image without what
 * precedes it, for guidance. What is drawn depends on the seed, the step and the document's number in it alone.
 * Throws a RangeError when an image does not fit the model.
 */
export function arrangeDocument(
  prepared: PreparedDocument,
  model: ImageModel,
  options: ArrangeOptions,
  step: number,
  number: number,
): Document<ImageInput> {
  checkArguments('arrangeDocument', {
    document: [prepared, 'document'],
    model: [model, 'object'],
    options: [options, 'object'],
  })
  const { name, parts } = prepared
  const { seed, captionFirst, captionFirstTextWeight, conditionDropout } = options
  const spans = parts.map((part) =>
    part.type === 'image' ? imagePart(part.image, model, name) : { ...part, weight: 1 },
  )
  const [caption, image] = spans
  let document: Document<ImageInput> = { parts: spans }
  if (spans.length === 2 && caption!.type === 'text' && image!.type === 'image') {
    const order = pairOrder(randomUniform(seed, 'order', step, number), captionFirst)
    const weight = order === 'caption-first' ? captionFirstTextWeight : 1
    document = arrangePair({ ...caption!, weight }, image!, order)
  }
  const conditioned = conditionedImages(document)
  const chosen = randomUniform(seed, 'condition', step, number) / conditionDropout
  return chosen < 1 && conditioned.length > 0
    ? dropCondition(document, conditioned[Math.floor(chosen * conditioned.length)]!)
    : document
}

/** The numbers, among a document's images, of those that something precedes. */
function conditionedImages({ parts }: Document<ImageInput>): number[] {
  const first = parts[0]?.type === 'image' ? 1 : 0
  return parts.filter((part) => part.type === 'image').flatMap((_, i) => (i >= first ? [i] : []))
}
