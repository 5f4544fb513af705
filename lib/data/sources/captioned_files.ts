import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'

/** What an image file's name ends with, in lower case. */
export const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set(['.png', '.jpg', '.jpeg', '.webp'])

/** An image file and the text file beside it. */
export interface CaptionedFile {
  readonly image: string
  readonly caption: string
}

/**
 * Lists the images of a folder and of the folders in it, each with its caption beside it (`name.png`, `name.txt`),
 * in the order of the image files' paths (by code unit, the same on every machine).
 * @throws Error that names the file, where an image has no caption or the folder has no images
 */
export async function listCaptionedFiles(folder: string): Promise<CaptionedFile[]> {
  const names = new Set(await readdir(folder, { recursive: true }))
  const files: CaptionedFile[] = []
  for (const name of [...names].toSorted()) {
    const extension = extname(name)
    if (!IMAGE_EXTENSIONS.has(extension.toLowerCase())) continue
    const caption = `${name.slice(0, -extension.length)}.txt`
    if (!names.has(caption))
      throw new Error(`${join(folder, name)}: its caption is missing; expected ${caption} beside it`)
    files.push({ image: join(folder, name), caption: join(folder, caption) })
  }
  if (files.length === 0) {
    throw new Error(
      `${folder}: holds no images; expected ${[...IMAGE_EXTENSIONS].join(', ')} files, each with a .txt`,
    )
  }
  return files
}

/** An image's caption without the white space around it. @throws Error that names the file where it is empty */
export async function readCaption({ image, caption }: CaptionedFile): Promise<string> {
  const text = (await readFile(caption, 'utf8')).trim()
  if (text === '') throw new Error(`${caption}: is empty; expected the caption of ${image}`)
  return text
}
