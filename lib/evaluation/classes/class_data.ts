import { checkArguments } from '../../arguments.js'
import type { LabelledImages } from '../../data/sources/folder/image_folder.js'
import type { GenerativeModel } from '../../generation/model.js'
import { generatedSize } from '../generated_size.js'

/** Labelled images and the caption of each class, which a model generates and describes. */
export interface ClassData {
  /** What the classifier is trained on. */
  training: LabelledImages
  /** Held out: neither the model nor the classifier was trained on these. */
  test: LabelledImages
  /** One for each class, by its label. */
  captions: readonly string[]
}

/**
 * Throws a TypeError that names the first part of the data that is missing, and a RangeError for training and test images of
 * different sizes and for labels without a caption.
 */
export function checkClassData(callee: string, data: ClassData): void {
  checkArguments(callee, { data: [data, 'object'] })
  checkArguments(callee, {
    'data.training': [data.training, 'labelled'],
    'data.test': [data.test, 'labelled'],
    'data.captions': [data.captions, 'strings'],
  })
  const { training, test, captions } = data
  if (sizeOf(training) !== sizeOf(test))
    throw new RangeError(
      `${callee}: data.test must have images of ${sizeOf(training)}, as data.training has, received ${sizeOf(test)}`,
    )
  checkLabels(`${callee}: data.training.labels`, training.labels, captions.length)
  checkLabels(`${callee}: data.test.labels`, test.labels, captions.length)
}

/** Throws a RangeError, which begins with `what`, unless each label is the number of a class. */
export function checkLabels(what: string, labels: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < labels.length; i++)
    if (!(Number.isInteger(labels[i]) && labels[i]! >= 0 && labels[i]! < classes))
      throw new RangeError(`${what} must be 0 .. ${classes - 1}, one for each class, received ${labels[i]}`)
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
