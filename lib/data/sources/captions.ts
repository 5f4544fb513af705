import { formatKeys, formatValue } from '../../describe.js'
import { isGzipped, otherFormat } from '../../files/file_formats.js'
import { decodeText, withLineFeeds } from '../../files/text_file.js'
import { parseJson } from '../../files/json_file.js'

/** What a caption's name ends with, in lower case; of several, the first counts. */
export const captionExtensions: ReadonlySet<string> = new Set(['.txt', '.caption', '.json'])

/** What follows an image's name without its extension in the names of its captions: `.txt`, `.png.txt`. The first counts. */
export const captionEndings = (imageExtension: string): string[] =>
  ['', imageExtension].flatMap((inner) => [...captionExtensions].map((extension) => inner + extension))

/** For messages. */
export const captionKinds = [...captionExtensions].join(', ')

/**
 * The caption in a file's bytes, without the white space around it: all of a `.txt` or `.caption`, of a `.json` object
 * its `caption` or else its `text`. `image` is whose caption it is.
 * @throws Error that begins with `name`
 */
export function captionOf(bytes: Uint8Array, extension: string, name: string, image: string): string {
  const other = isGzipped(bytes)
    ? 'is gzipped, which captions are not read from: unpack it'
    : otherFormat(bytes)
  if (other !== undefined) throw new Error(`${name}: ${other}`)
  const text = decodeText(bytes, name)
  const caption = withLineFeeds(
    extension === '.json' ? jsonCaption(parseJson(text, name), name) : text,
  ).trim()
  if (caption === '') throw new Error(`${name}: is empty; expected the caption of ${image}`)
  return caption
}

function jsonCaption(content: unknown, name: string): string {
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw new Error(`${name}: expected an object with "caption" or "text"; received ${formatValue(content)}`)
  const { caption, text } = content as Record<string, unknown>
  for (const [key, value] of Object.entries({ caption, text }))
    if (typeof value !== 'string' && value !== undefined && value !== null)
      throw new Error(`${name}:\n  ${key}: expected string; received ${formatValue(value)}`)
  const texts = [caption, text].filter((value) => typeof value === 'string')
  if (texts.length > 0 || Object.keys(content).length === 0)
    return texts.find((value) => value.trim() !== '') ?? ''
  throw new Error(
    `${name}: has no caption: expected "caption" or "text"; its keys are ${formatKeys(content)}`,
  )
}
