import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkArguments, checkOptions } from '../../../arguments.js'
import type { Image } from '../../../image/image.js'
import { readImage } from '../../../image/image_io.js'
import type { ImagePreprocessing } from '../../../image/image_preprocessing.js'
import { checkFolder } from '../files/data_types.js'
import { isHiddenName } from '../files/hidden_names.js'
import { fillTemplate } from '../idx/idx_dataset.js'
import { captionedImage, checkIndex, type ImageDataset, type Sample } from '../image_dataset.js'

/** Images of one size, each of a class, in memory. */
export interface LabelledImages {
  /** Number of images. */
  readonly length: number
  /** Of every image, pixels. */
  readonly width: number
  /** Of every image, pixels. */
  readonly height: number
  /** Values of a pixel: 1 (grayscale) or 3 (RGB). */
  readonly channels: Image['channels']
  /** All images in a row, [length, height, width, channels]. */
  readonly pixels: Uint8Array
  /** Of each image, its class, from 0. */
  readonly labels: ArrayLike<number>
  /** Image `index`, a view of `pixels`. */
  image(index: number): Image
  /** The class of image `index`. */
  label(index: number): number
}

/** How a folder of classes is read. */
export interface ImageFolderOptions {
  /** How image files become what the data set holds. */
  readonly preprocessing: ImagePreprocessing
  /** An image's caption: {label} and {a label} stand for its class's name. */
  readonly caption?: string | undefined
  /** The classes, where another folder has set them: this one may lack some, and has no others. */
  readonly classNames?: readonly string[] | undefined
}

/** Images in folders, one for each class: `root/cat/1.png`, as torchvision's ImageFolder has them. */
export class ImageFolder implements LabelledImages, ImageDataset {
  readonly length: number
  readonly width: number
  readonly height: number
  readonly channels: Image['channels']
  readonly pixels: Uint8Array
  readonly labels: Int32Array
  /** Names of the folders, sorted: a label is an index into them. */
  readonly classNames: readonly string[]
  readonly #caption: string
  readonly #size: number

  private constructor(
    images: readonly Image[],
    labels: readonly number[],
    classNames: readonly string[],
    caption: string,
  ) {
    if (!images?.[0]?.data) throw new TypeError('ImageFolder: it is opened by ImageFolder.open')
    const { width, height, channels } = images[0]
    this.#caption = caption
    this.length = images.length
    this.width = width
    this.height = height
    this.channels = channels
    this.#size = width * height * channels
    this.pixels = new Uint8Array(images.length * this.#size)
    images.forEach(({ data }, i) => this.pixels.set(data, i * this.#size))
    this.labels = Int32Array.from(labels)
    this.classNames = classNames
  }

  /**
   * Reads all images, at the size that the preprocessing says. Throws an Error that names the folder or the file that is
   * wrong: a folder without images, a file beside the classes, a class that is not known, a file that is no image.
   */
  static async open(root: string, options: ImageFolderOptions): Promise<ImageFolder> {
    checkArguments('ImageFolder.open', { root: [root, 'string'], options: [options, 'object'] })
    checkOptions('ImageFolder.open', options, { preprocessing: true, caption: true, classNames: true })
    const { preprocessing, caption = '{a label}', classNames } = options
    const folders = await classFolders(root)
    const names = classNames ?? folders
    const images: Image[] = []
    const labels: number[] = []
    for (const folder of folders) {
      const label = names.indexOf(folder)
      if (label < 0)
        throw new Error(`${join(root, folder)}: a class that is not known; known: ${names.join(', ')}`)
      const files = (await readdir(join(root, folder))).filter(isShown).toSorted()
      if (files.length === 0) throw new Error(`${join(root, folder)}: holds no images`)
      for (const file of files) {
        images.push(await readImage(join(root, folder, file), preprocessing))
        labels.push(label)
      }
    }
    return new ImageFolder(images, labels, names, caption)
  }

  image(index: number): Image {
    checkIndex(index, this.length, 'ImageFolder')
    const { width, height, channels } = this
    const data = this.pixels.subarray(index * this.#size, (index + 1) * this.#size)
    return { width, height, channels, data }
  }

  label(index: number): number {
    checkIndex(index, this.length, 'ImageFolder')
    return this.labels[index]!
  }

  get(index: number): Sample {
    const label = this.label(index)
    return captionedImage(fillTemplate(this.#caption, this.classNames[label]!), this.image(index), label)
  }
}

const isShown = (name: string): boolean => !isHiddenName(name)

async function classFolders(root: string): Promise<string[]> {
  await checkFolder(root)
  const entries = (await readdir(root, { withFileTypes: true })).filter(({ name }) => isShown(name))
  const file = entries.find((entry) => entry.isFile())
  if (file)
    throw new Error(`${join(root, file.name)}: stands beside the classes; expected a folder for each class`)
  if (entries.length === 0) throw new Error(`${root}: holds no folders; expected one for each class`)
  return entries.map(({ name }) => name).toSorted()
}
