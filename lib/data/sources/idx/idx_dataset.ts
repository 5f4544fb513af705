import { checkArguments, checkOptions } from '../../../arguments.js'
import type { Image } from '../../../image/image.js'
import { IdxError, readIdx, type IdxArray } from './idx.js'
import { captionedImage, checkIndex, type ImageDataset, type Sample } from '../image_dataset.js'

/** Where IDX files lie, and how their images are captioned. */
export interface IdxDatasetOptions {
  /** IDX file of bytes [length, height, width], gzipped or not. */
  readonly imagesPath: string
  /** IDX file of bytes [length]. */
  readonly labelsPath: string
  /** Name of each label, in the order of their numbers. */
  readonly classNames: readonly string[]
  /** The number of the first label; 0. EMNIST's "letters" count from 1. */
  readonly firstLabel?: number | undefined
  /** Whether the file holds each image column by column, [length, width, height], as EMNIST's do; false. */
  readonly transpose?: boolean | undefined
  /**
   * Captions, with `{label}` for the class's name or `{a label}` for the name after "a" or "an".
   * Image i takes template i modulo their number.
   */
  readonly templates: readonly string[]
  /** Black pixels that are added on each side, for patches that do not divide the images' size; 0. */
  readonly padding?: number | undefined
}

const optionKeys = {
  imagesPath: true,
  labelsPath: true,
  classNames: true,
  firstLabel: true,
  transpose: true,
  templates: true,
  padding: true,
} as const

/** Labelled grayscale images of the MNIST family, captioned by filling templates with the class's name. */
export class IdxDataset implements ImageDataset {
  /** Number of images. */
  readonly length: number
  /** Of every image, pixels. */
  readonly width: number
  /** Of every image, pixels. */
  readonly height: number
  /** Grayscale. */
  readonly channels = 1
  readonly classNames: readonly string[]
  /** All images in a row, [length, height, width]. */
  readonly pixels: Uint8Array
  /** Of each image, an index into `classNames`: from 0, whatever the file's first label is. */
  readonly labels: Uint8Array
  readonly #templates: readonly string[]

  /** Reads both files. @throws IdxError where a file is malformed, or the two do not fit each other. */
  static async open(options: IdxDatasetOptions): Promise<IdxDataset> {
    checkArguments('IdxDataset.open', { options: [options, 'object'] })
    checkOptions('IdxDataset.open', options, optionKeys)
    checkArguments('IdxDataset.open', {
      imagesPath: [options.imagesPath, 'string'],
      labelsPath: [options.labelsPath, 'string'],
      classNames: [options.classNames, 'strings'],
      templates: [options.templates, 'strings'],
    })
    for (const template of options.templates) fillTemplate(template, '')
    if (options.templates.length === 0)
      throw new TypeError('IdxDataset.open: options.templates must have a template or more, received none')
    const [images, labels] = await Promise.all([
      readIdx(options.imagesPath, 3),
      readIdx(options.labelsPath, 1),
    ])
    if (images.shape[0] !== labels.shape[0]) {
      throw new IdxError(
        `${options.labelsPath}: holds ${labels.shape[0]} labels for the ${images.shape[0]} images of ${options.imagesPath}`,
      )
    }
    checkLabels(labels.data, options)
    return new IdxDataset(images, labels, options)
  }

  private constructor(images: IdxArray, labels: IdxArray, options: IdxDatasetOptions) {
    if (typeof options !== 'object' || options === null || !images?.shape)
      throw new TypeError('IdxDataset: it is opened by IdxDataset.open')
    const { padding = 0, firstLabel = 0 } = options
    const upright = options.transpose ? transposed(images) : images
    const [length, height, width] = upright.shape
    this.length = length
    this.height = height + 2 * padding
    this.width = width + 2 * padding
    this.classNames = options.classNames
    this.pixels = padding === 0 ? upright.data : padded(upright, padding)
    this.labels = firstLabel === 0 ? labels.data : labels.data.map((label) => label - firstLabel)
    this.#templates = options.templates
  }

  /** Image `index`, a view of the data set's memory. */
  image(index: number): Image {
    checkIndex(index, this.length, 'IdxDataset')
    const { width, height } = this
    const size = width * height
    return { width, height, channels: 1, data: this.pixels.subarray(index * size, (index + 1) * size) }
  }

  /** The class of image `index`, from 0. Throws a RangeError for an index outside 0 .. length - 1. */
  label(index: number): number {
    checkIndex(index, this.length, 'IdxDataset')
    return this.labels[index]
  }

  /**
   * The image with a caption from the templates, in turn. Throws a RangeError for an index outside 0 ..
   * length - 1.
   */
  get(index: number): Sample {
    const label = this.label(index)
    const template = this.#templates[index % this.#templates.length]
    return captionedImage(fillTemplate(template, this.classNames[label]), this.image(index), label)
  }
}

function checkLabels(
  labels: Uint8Array,
  { labelsPath, classNames, firstLabel = 0 }: IdxDatasetOptions,
): void {
  const last = firstLabel + classNames.length - 1
  const wrong = labels.findIndex((label) => label < firstLabel || label > last)
  if (wrong < 0) return
  const [least, most] = labels.reduce(([a, b], label) => [Math.min(a, label), Math.max(b, label)], [255, 0])
  const advice =
    most - least < classNames.length
      ? `; the labels go from ${least} to ${most}: "firstLabel": ${least} would fit`
      : `; the labels go from ${least} to ${most}, "firstLabel" is the number of the first`
  throw new IdxError(
    `${labelsPath}: label ${labels[wrong]} (image ${wrong}) has no name; ` +
      `${classNames.length} class names were given, for ${firstLabel} to ${last}${advice}`,
  )
}

/** Images [length, width, height] as [length, height, width]. */
function transposed({ shape, data }: IdxArray): IdxArray {
  const [length, width, height] = shape
  const result = new Uint8Array(data.length)
  for (let image = 0; image < length; image++) {
    const first = image * width * height
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) result[first + y * width + x] = data[first + x * height + y]
  }
  return { shape: [length, height, width], data: result }
}

/** `template` with `{label}` and `{a label}` replaced. Throws TypeError where it holds neither. */
export function fillTemplate(template: string, label: string): string {
  if (!/\{(a )?label\}/.test(template)) {
    throw new TypeError(`caption template "${template}" holds neither {label} nor {a label}`)
  }
  const article = /^[aeiou]/i.test(label) ? 'an' : 'a'
  return template.replaceAll('{label}', () => label).replaceAll('{a label}', () => `${article} ${label}`)
}

function padded({ shape, data }: IdxArray, padding: number): Uint8Array {
  const [length, height, width] = shape
  const row = width + 2 * padding
  const result = new Uint8Array(length * (height + 2 * padding) * row)
  for (let image = 0; image < length; image++)
    for (let y = 0; y < height; y++) {
      const from = (image * height + y) * width
      const to = (image * (height + 2 * padding) + y + padding) * row + padding
      result.set(data.subarray(from, from + width), to)
    }
  return result
}
