import { readImage } from '../../../image/image_io.js'
import type { ImagePreprocessingOptions } from '../../../image/image_preprocessing.js'
import { type CaptionedFile, listCaptionedFiles, readCaption } from './captioned_files.js'
import { captionedImage, checkIndex, type ImageDataset, type Sample } from '../image_dataset.js'

/**
 * A folder of images, each with its caption beside it: `name.png` and `name.txt`, as {@link openFolderSource} finds them.
 * Decoded at each `get`.
 */
export class FolderDataset implements ImageDataset {
  readonly classNames: readonly string[] = []
  readonly #files: readonly CaptionedFile[]
  readonly #preprocessing: ImagePreprocessingOptions

  /**
   * Lists the folder and the folders in it, in the order of the image files' paths.
   * @param preprocessing what each image is turned into, see {@link readImage}
   * @throws Error that names the file, where an image has no caption or the folder has no images
   */
  static async open(folder: string, preprocessing: ImagePreprocessingOptions): Promise<FolderDataset> {
    const { files, unreadable } = await listCaptionedFiles(folder)
    if (unreadable.length > 0) throw unreadable[0]!.error
    return new FolderDataset(files, preprocessing)
  }

  private constructor(files: readonly CaptionedFile[], preprocessing: ImagePreprocessingOptions) {
    this.#files = files
    this.#preprocessing = preprocessing
  }

  get length(): number {
    return this.#files.length
  }

  /** @throws Error that names the file where the image cannot be decoded or the caption is empty */
  async get(index: number): Promise<Sample> {
    checkIndex(index, this.length, 'FolderDataset')
    const file = this.#files[index]
    const [image, text] = await Promise.all([readImage(file.image, this.#preprocessing), readCaption(file)])
    return captionedImage(text, image)
  }
}
