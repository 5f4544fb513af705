import { dirname, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import { formatKeys, formatValue } from '../../../describe.js'
import { conversationOf, type Piece } from './conversation.js'
import type { ImageFilePart, TextPart } from '../../document.js'
import { findImages, isAbsent, isAddress, referenceOf } from './image_keys.js'

const content = z.string().min(1)
const parts = z
  .array(
    z.union([content, z.strictObject({ image: content })], {
      error: 'expected a text or {"image": "a.png"}',
    }),
  )
  .min(1)

/**
 * What a JSON object says of a document, in one of these forms:
 *
 *     {"parts": ["some text", {"image": "pictures/a.png"}, "more text"]}
 *     {"image": "a.png", "caption": "a cat"}        or "text" instead of "caption"
 *     {"images": ["a.png", "b.png"], "text": "<image> and <image>"}
 *     {"images": ["a.png"], "messages": [{"role": "user", "content": "<image> What is this?"}, ...]}
 *     {"text": "some text"}                         or another `field`
 *
 * Images are files, relative to `file`, which the object comes from, or `data:image/png;base64,...`. Their key may be any
 * of `image`, `images`, `image_path`, `img`, `image_url`, and of `file_name`, `path` and `url` where the value looks like an
 * image's. An image stands where the text has `<image>`, else after it. What else the object holds is not read, but a key
 * that looks like another image's is an error. `name` names it in messages.
 * @throws Error
 */
export function documentOf(
  json: unknown,
  name: string,
  file: string,
  field = 'text',
): (TextPart | ImageFilePart)[] {
  const object = parseConfig(z.looseObject({}), json, name)
  if ('parts' in object) {
    return parseConfig(z.object({ parts }), object, name).parts.map((part) =>
      typeof part === 'string' ? { type: 'text', text: part } : imagePart(part.image, name, file),
    )
  }
  const found = findImages(object, name, ['caption', field])
  const turns = field in object ? undefined : conversationOf(object, name)
  if (!found && !turns) {
    const text = textOf(object, field, name)
    if (text.trim() === '') throw new Error(`${name}: its text is empty`)
    return [{ type: 'text', text }]
  }
  const isCaption = !isAbsent(object.caption) && (field === 'text' || isAbsent(object[field]))
  const key = isCaption || (!(field in object) && 'caption' in object) ? 'caption' : field
  const filled = fill(turns ?? [textOf(object, key, name).trim()], found ?? [], name)
  if (filled.every((piece) => typeof piece !== 'string')) throw new Error(`${name}: its text is empty`)
  return filled.map((piece) =>
    typeof piece === 'string' ? { type: 'text', text: piece } : imagePart(piece.image, name, file),
  )
}

function textOf(object: Readonly<Record<string, unknown>>, key: string, name: string): string {
  const value = object[key]
  if (typeof value === 'string' && value !== '') return value
  const hint =
    value === undefined && Object.keys(object).length > 0
      ? `; its keys are ${formatKeys(object)}; the data's "field" may name another`
      : ''
  throw new Error(`${name}:\n  ${key}: expected string; received ${formatValue(value)}${hint}`)
}

/** The pieces with the images where `<image>` stands; a single image without one comes last. */
function fill(pieces: readonly Piece[], images: readonly unknown[], name: string): Piece[] {
  const rest = [...images]
  const placed = pieces.flatMap((piece): Piece[] => {
    if (typeof piece !== 'string') return [piece]
    return piece.split('<image>').flatMap((text, i) => (i === 0 ? [text] : [{ image: undefined }, text]))
  })
  const marks = placed.filter((piece) => typeof piece !== 'string' && piece.image === undefined).length
  if (marks === 0 && rest.length === 1) placed.push({ image: rest[0] })
  else if (marks !== rest.length) {
    throw new Error(
      `${name}: expected as many "<image>" in the text as there are images, ${rest.length}; received ${marks}`,
    )
  }
  const filled: Piece[] = []
  for (const piece of placed) {
    if (typeof piece !== 'string') {
      filled.push(piece.image === undefined ? { image: rest.shift() } : piece)
      continue
    }
    const last = filled.at(-1)
    if (typeof last === 'string') filled[filled.length - 1] = last + piece
    else filled.push(piece)
  }
  return trimmed(filled)
}

/** Without blank texts, and the white space before the first text and after the last. */
function trimmed(pieces: readonly Piece[]): Piece[] {
  const kept = pieces.filter((piece) => typeof piece !== 'string' || piece.trim() !== '')
  const first = kept.findIndex((piece) => typeof piece === 'string')
  const last = kept.findLastIndex((piece) => typeof piece === 'string')
  return kept.map((piece, i) => {
    if (typeof piece !== 'string') return piece
    const begun = i === first ? piece.trimStart() : piece
    return i === last ? begun.trimEnd() : begun
  })
}

function imagePart(image: unknown, name: string, file: string): ImageFilePart {
  return { type: 'image', ...imageSource(image, name, file) }
}

/** PNG, JPEG, GIF and WebP in base64, which is longer than paths are. */
const isBareBase64 = (image: string): boolean =>
  image.length > 4096 || (image.length > 100 && /^(iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/.test(image))

function imageSource(value: unknown, name: string, file: string): { path: string } | { bytes: Uint8Array } {
  const { bytes } = Object(value) as { bytes?: unknown }
  // As pandas writes Hugging Face's images.
  if (typeof bytes === 'string' && isBareBase64(bytes)) return { bytes: Buffer.from(bytes, 'base64') }
  const image = referenceOf(value)
  if (image === undefined || image === '')
    throw new Error(
      `${name}: expected an image file's path or data:image/png;base64,...; received ${formatValue(value)}`,
    )
  const encoded = /^data:[^,]{0,200};base64,/i.exec(image)
  if (encoded) return { bytes: Buffer.from(image.slice(encoded[0].length), 'base64') }
  const shown = formatValue(image)
  if (isAddress(image)) throw new Error(`${name}: ${shown} is not a file; only files are read: download it`)
  if (image.startsWith('data:'))
    throw new Error(`${name}: ${shown}: data URLs are read in base64: expected data:image/png;base64,...`)
  if (isBareBase64(image))
    throw new Error(`${name}: ${shown} is no path; base64 is expected as data:image/png;base64,...`)
  if (/\p{Cc}/u.test(image)) throw new Error(`${name}: ${shown} is no path: it holds control characters`)
  if (image.startsWith('file://')) return { path: pathOfUrl(image, name) }
  // Written on Windows.
  return { path: resolve(dirname(file), sep === '/' ? image.replaceAll('\\', '/') : image) }
}

function pathOfUrl(url: string, name: string): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw new Error(
      `${name}: ${formatValue(url)} names no file of this machine (${(error as Error).message})`,
      {
        cause: error,
      },
    )
  }
}
