import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isImageFile } from '../../../image/image_content.js'
import { LeftOut } from '../../left_out.js'
import { captionExtensions, captionOf } from '../captions.js'
import { CaptionNames, extensionOf, plainName } from './caption_names.js'
import type { UnreadableDocument } from '../document_source.js'
import { filesUnder } from '../files/folder_files.js'
import { imageExtensions, imageKinds, isDecoded } from '../files/image_extensions.js'
import { checkFolder, explainMissing, typesOfFiles } from '../files/data_types.js'

/** An image file and the text file beside it. */
export interface CaptionedFile {
  readonly image: string
  readonly caption: string
}

/** The images of a folder, and what of it is not read. */
export interface CaptionedFolder {
  readonly files: readonly CaptionedFile[]
  /** Images without a caption. */
  readonly unreadable: readonly UnreadableDocument[]
  readonly leftOut: LeftOut
}

/**
 * Lists the images of a folder and of the folders in it, told by their names or else by their content, each with its caption
 * beside it: `name.txt`, `name.caption` or
 * `name.json`, or these after the image's whole name (`name.png.txt`), small letters or capitals. In the order of the image
 * files' paths.
 * @throws Error that names the folder where it has no images, or none with a caption
 */
export async function listCaptionedFiles(folder: string): Promise<CaptionedFolder> {
  await checkFolder(folder)
  const leftOut = new LeftOut()
  const names = await filesUnder(folder, { leftOut })
  const images = await imagesOf(names, folder)
  if (images.length === 0) {
    const others = typesOfFiles(names, 'folder')
    throw new Error(`${folder}: holds no images; expected ${imageKinds} files, each with a .txt${others}`)
  }
  const captions = new CaptionNames(names)
  const found = captions.of(images)
  if (found.size === 0) {
    const others = typesOfFiles(
      names.filter((name) => extensionOf(name) !== '.txt'),
      'folder',
    )
    const ofAll = images.length > 1 ? ` (none of the ${images.length} images of ${folder} has one)` : ''
    throw new Error(`${join(folder, images[0]!)}: ${captions.missing(images[0]!)}${ofAll}${others}`)
  }
  countOthers(names, new Set([...images, ...found.values()]), folder, leftOut)
  const uncaptioned = images
    .filter((image) => !found.has(image))
    .map((image) => {
      const name = join(folder, image)
      const error = new Error(`${name}: ${captions.missing(image)}`)
      return { name, error, reason: 'uncaptioned' as const }
    })
  const files = images.flatMap((image) => {
    const caption = found.get(image)
    return caption === undefined ? [] : [{ image: join(folder, image), caption: join(folder, caption) }]
  })
  return { files, unreadable: uncaptioned, leftOut }
}

/**
 * Lists the images of a folder and of the folders in it as {@link listCaptionedFiles} does, whether they have captions or not.
 * @throws Error that names the folder where it has no images
 */
export async function listImageFiles(folder: string): Promise<{ images: string[]; leftOut: LeftOut }> {
  await checkFolder(folder)
  const leftOut = new LeftOut()
  const names = await filesUnder(folder, { leftOut })
  const images = await imagesOf(names, folder)
  if (images.length === 0)
    throw new Error(
      `${folder}: holds no images; expected ${imageKinds} files${typesOfFiles(names, 'folder')}`,
    )
  countOthers(names, new Set(images), folder, leftOut)
  return { images: images.map((image) => join(folder, image)), leftOut }
}

/**
 * The images among files, by their names: of a format that is not decoded those that have a caption, and no decoded image,
 * to themselves. By their content, files that a caption has no image of such a name beside it for.
 */
async function imagesOf(names: readonly string[], folder: string): Promise<string[]> {
  const withImages = names.filter((name) => imageExtensions.has(extensionOf(name)))
  const decoded = new Set(withImages.filter((name) => isDecoded(extensionOf(name))).map(plainName))
  const captioned = new Set(names.filter((name) => captionExtensions.has(extensionOf(name))).map(plainName))
  // Else a camera's raw file beside its JPEG, or an editor's file.
  const isAlone = (plain: string) => captioned.has(plain) && !decoded.has(plain)
  const images = new Set(
    withImages.filter((name) => isDecoded(extensionOf(name)) || isAlone(plainName(name))),
  )
  const named = new Set(withImages.map(plainName))
  for (const name of names) {
    if (images.has(name) || captionExtensions.has(extensionOf(name))) continue
    const plain = plainName(name)
    if (captioned.has(plain) && !named.has(plain) && (await isImageFile(join(folder, name)))) images.add(name)
  }
  return names.filter((name) => images.has(name))
}

/** Counts the files that are neither images nor their captions. Of several captions of an image the first is read. */
function countOthers(
  names: readonly string[],
  used: ReadonlySet<string>,
  folder: string,
  leftOut: LeftOut,
): void {
  const images = new Set([...used].map(plainName))
  const rest = names.filter(
    (name) => !used.has(name) && !(captionExtensions.has(extensionOf(name)) && images.has(plainName(name))),
  )
  const count = (reason: 'imageless' | 'unread', files: readonly string[]) => {
    if (files.length > 0) leftOut.count(reason, folder, files.length, join(folder, files[0]!))
  }
  const isText = (name: string) => ['.txt', '.caption'].includes(extensionOf(name))
  count('imageless', rest.filter(isText))
  count(
    'unread',
    rest.filter((name) => !isText(name)),
  )
}

/** An image's caption without the white space around it. @throws Error that names the file where it is none */
export async function readCaption({ image, caption }: CaptionedFile): Promise<string> {
  const bytes = await readFile(caption).catch(explainMissing(caption))
  return captionOf(bytes, extensionOf(caption), caption, image)
}
