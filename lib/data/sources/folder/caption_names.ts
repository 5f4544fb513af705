import { basename, extname } from 'node:path'
import { captionExtensions, captionEndings } from '../captions.js'
import { imageExtensions } from '../files/image_extensions.js'

export const extensionOf = (name: string): string => extname(name).toLowerCase()
const withoutExtension = (name: string): string => name.slice(0, name.length - extname(name).length)

/** Finds captions by their names. */
export class CaptionNames {
  /** By the name with its extension in lower case, and by all of it in lower case. */
  readonly #byExtension = new Map<string, string>()
  readonly #byLetters = new Map<string, string[]>()
  /** All names, by `plainName`. */
  readonly #alike = new Map<string, string[]>()

  constructor(names: readonly string[]) {
    for (const name of names) {
      put(this.#alike, plainName(name), name)
      if (!captionExtensions.has(extensionOf(name))) continue
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
    const alike = this.#alike.get(plainName(image))!.filter((name) => !imageExtensions.has(extensionOf(name)))
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
export const plainName = (name: string): string => withoutExtension(name).normalize('NFC').toLowerCase()

/** What an image's caption may be called, with the extension in lower case: the first that is there counts. */
const candidates = (image: string): string[] =>
  captionEndings(extname(image)).map((ending) => withoutExtension(image) + ending)
