import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { readImage } from '../image_io.js'
import type { ImagePreparationOptions } from '../image_preparation.js'
import { captionedImage, checkIndex, type ImageDataset, type Sample } from './image_dataset.js'

const IMAGE_EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp'])

/** A folder of images, each with its caption beside it: `name.png` and `name.txt`. Decoded at each `get`. */
export class FolderDataset implements ImageDataset {
  readonly classNames: readonly string[] = []
  readonly #pairs: readonly CaptionedPath[]
  readonly #preparation: ImagePreparationOptions

  /**
   * Lists the folder, in the order of the image files' names (by code unit, the same on every machine).
   * @param preparation what each image is turned into, see {@link readImage}
   * @throws Error that names the file, where an image has no caption or the folder has no images
   */
  static async open(folder: string, preparation: ImagePreparationOptions): Promise<FolderDataset> {
    const names = new Set(await readdir(folder))
    const pairs: CaptionedPath[] = []
    for (const name of [...names].toSorted()) {
      const extension = extname(name)
      if (!IMAGE_EXTENSIONS.has(extension.toLowerCase())) continue
      const caption = `${name.slice(0, -extension.length)}.txt`
      if (!names.has(caption))
        throw new Error(`${join(folder, name)}: its caption is missing; expected ${caption} beside it`)
      pairs.push({ image: join(folder, name), caption: join(folder, caption) })
    }
    if (pairs.length === 0) {
      throw new Error(
        `${folder}: holds no images; expected ${[...IMAGE_EXTENSIONS].join(', ')} files, each with a .txt`,
      )
    }
    return new FolderDataset(pairs, preparation)
  }

  private constructor(pairs: readonly CaptionedPath[], preparation: ImagePreparationOptions) {
    this.#pairs = pairs
    this.#preparation = preparation
  }

  get length(): number {
    return this.#pairs.length
  }

  /** @throws Error that names the file where the image cannot be decoded or the caption is empty */
  async get(index: number): Promise<Sample> {
    checkIndex(index, this.length, 'FolderDataset')
    const { image, caption } = this.#pairs[index]
    const [pixels, text] = await Promise.all([readImage(image, this.#preparation), readFile(caption, 'utf8')])
    const trimmed = text.trim()
    if (trimmed === '') throw new Error(`${caption}: is empty; expected the caption of ${image}`)
    return captionedImage(trimmed, pixels)
  }
}

interface CaptionedPath {
  readonly image: string
  readonly caption: string
}
