import { readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { LeftOut } from '../left_out.js'
import { CAPTION_EXTENSIONS, captionOf, IMAGE_EXTENSIONS, imageKinds, isDecoded } from './captions.js'
import type { UnreadableDocument } from './document_source.js'
import { filesUnder } from './folder_files.js'
import { checkFolder, explainMissing, typesOfFiles } from './data_types.js'

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
 * Lists the images of a folder and of the folders in it, each with its caption beside it: `name.txt`, `name.caption` or
 * `name.json`, or these after the image's whole name (`name.png.txt`), small letters or capitals. In the order of the image
 * files' paths.
 * @throws Error that names the folder where it has no images, or none with a caption
 */
export async function listCaptionedFiles(folder: string): Promise<CaptionedFolder> {
  await checkFolder(folder)
  const leftOut = new LeftOut()
  const names = await filesUnder(folder, { leftOut })
  const images = names.filter((name) => IMAGE_EXTENSIONS.has(extensionOf(name)))
  if (images.length === 0)
    throw new Error(
      `${folder}: holds no images; expected ${imageKinds} files, each with a .txt${typesOfFiles(names, 'folder')}`,
    )

  const captions = new CaptionNames(names)
  const found = captions.of(images)
  const files: CaptionedFile[] = []
  const unreadable: UnreadableDocument[] = []
  const used = new Set<string>()
  const decoded = new Set(images.filter((image) => isDecoded(extensionOf(image))).map(plainName))
  for (const image of images) {
    const caption = found.get(image)
    // A camera's raw file beside its JPEG, or an editor's file without a caption, is no document.
    const isSpare = caption === undefined || decoded.has(plainName(image))
    if (!isDecoded(extensionOf(image)) && isSpare) continue
    if (caption === undefined) {
      const name = join(folder, image)
      unreadable.push({
        name,
        reason: 'uncaptioned',
        error: new Error(`${name}: ${captions.missing(image)}`),
      })
    } else {
      files.push({ image: join(folder, image), caption: join(folder, caption) })
      used.add(image).add(caption)
    }
  }
  if (files.length === 0) {
    const { message } = unreadable[0]?.error ?? new Error(`${folder}: holds no images that can be decoded`)
    throw new Error(
      message +
        (images.length > 1 ? ` (none of the ${images.length} images of ${folder} has one)` : '') +
        typesOfFiles(
          names.filter((name) => extensionOf(name) !== '.txt'),
          'folder',
        ),
    )
  }
  const rest = names.filter(
    (name) => !used.has(name) && !isDecoded(extensionOf(name)) && !isSecond(name, decoded),
  )
  const isText = (name: string) => ['.txt', '.caption'].includes(extensionOf(name))
  countFiles(leftOut, 'imageless', folder, rest.filter(isText))
  countFiles(
    leftOut,
    'unread',
    folder,
    rest.filter((name) => !isText(name)),
  )
  return { files, unreadable, leftOut }
}

/** Whether a file is another caption of an image, or figures about it: of several, the first is read. */
const isSecond = (name: string, images: ReadonlySet<string>): boolean =>
  CAPTION_EXTENSIONS.has(extensionOf(name)) && images.has(plainName(name))

/** An image's caption without the white space around it. @throws Error that names the file where it is none */
export async function readCaption({ image, caption }: CaptionedFile): Promise<string> {
  const bytes = await readFile(caption).catch(explainMissing(caption))
  return captionOf(bytes, extensionOf(caption), caption, image)
}

const extensionOf = (name: string): string => extname(name).toLowerCase()
const withoutExtension = (name: string): string => name.slice(0, name.length - extname(name).length)

function countFiles(
  leftOut: LeftOut,
  reason: 'imageless' | 'unread',
  folder: string,
  names: readonly string[],
) {
  if (names.length > 0) leftOut.count(reason, folder, names.length, join(folder, names[0]!))
}

/** Finds captions by their names. */
class CaptionNames {
  /** By the name with its extension in lower case, and by all of it in lower case. */
  readonly #byExtension = new Map<string, string>()
  readonly #byLetters = new Map<string, string[]>()
  /** All names, by `plainName`. */
  readonly #alike = new Map<string, string[]>()

  constructor(names: readonly string[]) {
    for (const name of names) {
      put(this.#alike, plainName(name), name)
      if (!CAPTION_EXTENSIONS.has(extensionOf(name))) continue
      const key = withoutExtension(name) + extensionOf(name)
      // The name in small letters counts, where there are several.
      if (!this.#byExtension.has(key) || key === name) this.#byExtension.set(key, name)
      put(this.#byLetters, name.toLowerCase(), name)
    }
  }

  /** The captions of images: where the letters before the extension differ in case too, one that no other image has. */
  of(images: readonly string[]): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const image of images) {
      const name = candidates(image).find((candidate) => this.#byExtension.has(candidate))
      if (name !== undefined) found.set(image, this.#byExtension.get(name)!)
    }
    const taken = new Set(found.values())
    for (const image of images) {
      if (found.has(image)) continue
      const others = candidates(image).flatMap((name) => this.#byLetters.get(name.toLowerCase()) ?? [])
      const free = others.find((name) => !taken.has(name))
      if (free !== undefined) found.set(image, free)
    }
    return found
  }

  /** Why an image has no caption. */
  missing(image: string): string {
    const expected = candidates(image)
    const message = `its caption is missing; expected ${expected[0]} beside it (or ${expected.slice(1, 3).join(', ')})`
    const alike = this.#alike
      .get(plainName(image))!
      .filter((name) => !IMAGE_EXTENSIONS.has(extensionOf(name)))
    const letters = withoutExtension(image).toLowerCase()
    const other = alike.find((name) => withoutExtension(name).toLowerCase() !== letters)
    if (other !== undefined)
      return `${message}; the name of ${other} looks the same but is of another Unicode form (NFC and NFD): rename one of them`
    return alike.length === 0
      ? message
      : `${message}; found ${alike.map((name) => basename(name)).join(', ')}`
  }
}

function put(lists: Map<string, string[]>, key: string, name: string): void {
  const list = lists.get(key)
  if (list) list.push(name)
  else lists.set(key, [name])
}

/** The same for names that differ in Unicode form, capitals or extension. */
const plainName = (name: string): string => withoutExtension(name).normalize('NFC').toLowerCase()

/** What an image's caption may be called, with the extension in lower case: the first that is there counts. */
function candidates(image: string): string[] {
  const extensions = [...CAPTION_EXTENSIONS]
  return [withoutExtension(image), image].flatMap((stem) => extensions.map((extension) => stem + extension))
}
