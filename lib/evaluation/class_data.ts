import { checkArguments } from '../arguments.js'
import type { LabelledImages } from '../data/sources/image_folder.js'
import type { GenerativeModel } from '../generation/model.js'
import { generatedSize } from './generated_size.js'

/** Labelled images and the caption of each class, which a model generates and describes. */
export interface ClassData {
  /** What the classifier is trained on. */
  training: LabelledImages
  /** Held out: neither the model nor the classifier was trained on these. */
  test: LabelledImages
  /** One for each class, by its label. */
  captions: readonly string[]
}

/** Throws a TypeError that names the first part of the data that is missing. */
export function checkClassData(callee: string, data: ClassData): void {
  checkArguments(callee, { data: [data, 'object'] })
  checkArguments(callee, {
    'data.training': [data.training, 'labelled'],
    'data.test': [data.test, 'labelled'],
    'data.captions': [data.captions, 'strings'],
  })
}

/** Throws a RangeError where the model generates images of another size than the data has. */
export function checkClassImages(callee: string, model: GenerativeModel, { test }: ClassData): void {
  const size = generatedSize(callee, model)
  if (size.height !== test.height || size.width !== test.width || size.channels !== test.channels)
    throw new RangeError(
      `${callee}: data.test must have images of ${sizeOf(size)}, which the model generates, ` +
        `received ${sizeOf(test)}`,
    )
}

const sizeOf = ({ height, width, channels }: { height: number; width: number; channels: number }): string =>
  `${height} x ${width} ${channels === 1 ? 'in grayscale' : 'in colour'}`
