import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config.js'
import type { RawImage, RawPart } from './document_source.js'

const content = z.string().min(1)
const parts = z
  .array(
    z.union([content, z.strictObject({ image: content })], {
      error: 'expected a text or {"image": "a.png"}',
    }),
  )
  .min(1)

/**
 * What a JSON object says of a document, in one of three forms:
 *
 *     {"parts": ["some text", {"image": "pictures/a.png"}, "more text"]}
 *     {"image": "a.png", "caption": "a cat"}        or "text" instead of "caption"
 *     {"text": "some text"}                         or another `field`
 *
 * Images are files, relative to `file`, which the object comes from, or `data:image/png;base64,...`. What else the
 * object holds is not read. `name` names it in messages.
 * @throws Error
 */
export function documentOf(json: unknown, name: string, file: string, field = 'text'): RawPart[] {
  const has = (key: string) => typeof json === 'object' && json !== null && key in json
  if (has('parts')) {
    return parseConfig(z.object({ parts }), json, name).parts.map((part) =>
      typeof part === 'string' ? { type: 'text', text: part } : imagePart(part.image, file),
    )
  }
  if (has('image')) {
    const key = has('caption') ? 'caption' : field
    const { image, [key]: caption } = parseConfig(z.object({ image: content, [key]: content }), json, name)
    return [textPart((caption as string).trim(), name), imagePart(image as string, file)]
  }
  return [textPart(parseConfig(z.object({ [field]: content }), json, name)[field]!, name)]
}

function textPart(text: string, name: string): RawPart {
  if (text.trim() === '') throw new Error(`${name}: its text is empty`)
  return { type: 'text', text }
}

function imagePart(image: string, file: string): RawPart {
  return { type: 'image', source: imageSource(image, file) }
}

function imageSource(image: string, file: string): RawImage {
  const encoded = /^data:[^,]*;base64,/.exec(image)
  if (encoded) return { bytes: Buffer.from(image.slice(encoded[0].length), 'base64') }
  return { path: resolve(dirname(file), image) }
}
