import { basename } from 'node:path'
import { imageExtensions } from '../files/image_extensions.js'

/** Keys that hold an image, whatever the value is. */
const certain = ['image', 'images', 'image_path', 'img', 'image_url']
/** Keys that hold one where the value looks like it: texts have files and addresses too. */
const likely = ['file_name', 'path', 'url']

/** Keys whose values are words, also where they look like a file's name. */
const titles = ['title', 'headline', 'subject']

const imageKeys = [...certain, ...likely].map((key) => `"${key}"`).join(', ')

/**
 * The images of a JSON object, each a string or what stands in place of one; undefined where it has no key for them.
 * `textKeys` are not looked at.
 * @throws Error that begins with `name` and says which key looks like an image's but is not read
 */
export function findImages(
  object: Readonly<Record<string, unknown>>,
  name: string,
  textKeys: readonly string[],
): readonly unknown[] | undefined {
  const keys = [
    ...certain.filter((each) => !isAbsent(object[each])),
    ...likely.filter((each) => looksLikeImages(object[each])),
  ]
  const key = keys.find((each) => !areAddresses(object[each])) ?? keys[0]
  for (const [other, value] of Object.entries(object)) {
    if (other === key || isAbsent(value) || textKeys.includes(other)) continue
    if (key !== undefined) {
      // What says the same again, or where the image came from.
      if (likely.includes(other) || areAddresses(value) || isSame(value, object[key])) continue
    }
    const isMedia = certain.includes(other) || isMediaKey(other, value)
    const isFile = looksLikeImages(value) || (likely.includes(other) && isOtherMedia(value))
    if (isMedia || (key === undefined && !titles.includes(other) && isFile)) {
      throw new Error(
        `${name}: "${other}" looks like the key of an image or other media, which is not read` +
          `${key === undefined ? '' : ` beside "${key}"`}: images are expected under one of ${imageKeys}`,
      )
    }
  }
  if (key !== undefined) return [object[key]].flat()
  return certain.some((each) => each in object) ? [] : undefined
}

export const isAbsent = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0)

/** Where the file of an image is said to be: a path or an address, or an object with one. */
export function referenceOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return undefined
  const { path, url, image } = value as Record<string, unknown>
  return [path, url, image].find((each) => typeof each === 'string') as string | undefined
}

export const isAddress = (value: unknown): boolean =>
  typeof value === 'string' && /^(https?|s3|gs|hf|ftp):\/\//i.test(value)

const areAddresses = (value: unknown): boolean => [value].flat().every((each) => isAddress(referenceOf(each)))

function looksLikeImages(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(looksLikeImages)
  const reference = referenceOf(value)
  if (reference === undefined) return false
  if (reference.startsWith('data:image/')) return true
  if (reference.length > 1000 || reference.includes('\n')) return false
  const path = isAddress(reference) ? reference.replace(/[?#].*$/s, '') : reference
  return imageExtensions.has(/\.[a-z\d]+$/i.exec(path)?.[0].toLowerCase() ?? '')
}

/** As in the `metadata.jsonl` of Hugging Face's folders of sounds, films and papers. */
const isOtherMedia = (value: unknown): boolean =>
  typeof value === 'string' && /\.(wav|mp3|flac|ogg|opus|m4a|mp4|mkv|webm|avi|mov|pdf|npy)$/i.test(value)

/** Whether values name no other files than those of an image's key. */
function isSame(values: unknown, ofImages: unknown): boolean {
  const namesOf = (value: unknown) => [value].flat().map((each) => basename(referenceOf(each) ?? ''))
  const known = namesOf(ofImages)
  return namesOf(values).every((each) => each !== '' && known.includes(each))
}

const media = /image|img|picture|photo|screenshot|video|audio/i
/** What keys begin or end with that say something about an image rather than being one. */
const questions = ['has', 'is', 'num', 'n']
// prettier-ignore
const about = [
  'id', 'ids', 'width', 'height', 'size', 'hash', 'md5', 'sha256', 'alt', 'caption', 'captions', 'text', 'desc', 'description',
  'license', 'credit', 'author', 'format', 'mode', 'title', 'label', 'labels', 'type', 'class', 'count', 'index', 'date', 'tag',
  'tags', 'prompt', 'token', 'tokens', 'dir', 'folder', 'root', 'quality', 'score', 'source',
]

function isMediaKey(key: string, value: unknown): boolean {
  if (!media.test(key)) return false
  const words = key
    .replaceAll(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_\W]+/)
  if (words.length > 1 && (questions.includes(words[0]!) || about.includes(words.at(-1)!))) return false
  return (typeof value === 'string' && value !== '') || typeof value === 'object'
}
