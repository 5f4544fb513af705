import { checkArguments } from '../../../arguments.js'
import type { TokenizedDocument } from '../../../data/document.js'
import { imagePart, type ImageInput } from '../../../sequence/image_parts.js'
import type { TransfusionConfig } from '../config.js'
import type { ModelParts } from '../io/folder.js'
import { randomUniform } from '../../../random.js'
import { type DocumentParts, dropCondition } from '../../../sequence/document.js'
import { orderPair, pairOrder } from '../../../sequence/order.js'
import { packingOf } from '../../../sequence/packing_options.js'
import { trainingSequence, type TrainingSequence } from '../../../sequence/training_sequence.js'
import type { TransfusionTrainingOptions } from './options.js'

/** How sequences are made of documents; see `TransfusionTrainingSettings`. */
export type SequenceOptions = Pick<
  TransfusionTrainingOptions,
  'seed' | 'captionFirst' | 'captionFirstTextWeight' | 'conditionDropout'
>

/**
 * The sequence that training reads of a document. One text followed by one image is a captioned image, of which training
 * chooses the order (section 4.1); any other document stays as it is. A share of documents is cut down to one image without
 * what precedes it, for guidance. What is drawn depends on the seed, the step and the document's number in it alone. Throws
 * a RangeError when an image does not fit the model.
 */
export function prepareSequence(
  tokenized: TokenizedDocument,
  model: Pick<ModelParts, 'codec'> & { readonly network: { readonly config: TransfusionConfig } },
  options: SequenceOptions,
  step: number,
  number: number,
): TrainingSequence<ImageInput> {
  checkArguments('prepareSequence', {
    document: [tokenized, 'document'],
    model: [model, 'object'],
    options: [options, 'object'],
  })
  const { name, parts } = tokenized
  const { seed, captionFirst, captionFirstTextWeight, conditionDropout } = options
  const spans = parts.map((part) =>
    part.type === 'image'
      ? imagePart('image' in part ? part.image : part, model, name)
      : { ...part, weight: 1 },
  )
  const [caption, image] = spans
  let document: DocumentParts<ImageInput> = { parts: spans }
  if (spans.length === 2 && caption!.type === 'text' && image!.type === 'image') {
    const order = pairOrder(randomUniform(seed, 'order', step, number), captionFirst)
    const weight = order === 'caption-first' ? captionFirstTextWeight : 1
    document = orderPair({ ...caption!, weight }, image!, order)
  }
  const conditioned = conditionedImages(document)
  const chosen = randomUniform(seed, 'condition', step, number) / conditionDropout
  if (chosen < 1 && conditioned.length > 0)
    document = dropCondition(document, conditioned[Math.floor(chosen * conditioned.length)]!)
  return trainingSequence(document, packingOf(model.network.config))
}

/** The numbers, among a document's images, of those that something precedes. */
function conditionedImages({ parts }: DocumentParts<ImageInput>): number[] {
  const first = parts[0]?.type === 'image' ? 1 : 0
  return parts.filter((part) => part.type === 'image').flatMap((_, i) => (i >= first ? [i] : []))
}
