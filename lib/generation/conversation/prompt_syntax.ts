import type { Image } from '../../image/image.js'

/** A part of a prompt as it is typed: a text, or the path of an image. */
export type TypedPart = string | { readonly image: string }

/**
 * A prompt typed as words of a command line: `@cat.png` is an image, all else text; `@@` begins a text with @. Texts that
 * follow each other are joined by a space, as a shell's echo joins them.
 */
export function parsePrompt(words: readonly string[]): TypedPart[] {
  const parts: TypedPart[] = []
  for (const word of words) {
    const last = parts.at(-1)
    if (/^@[^@]/.test(word)) parts.push({ image: word.slice(1) })
    else {
      const text = word.startsWith('@@') ? word.slice(1) : word
      if (typeof last === 'string') parts[parts.length - 1] = `${last} ${text}`
      else parts.push(text)
    }
  }
  return parts
}

/** The prompt with its images read. */
export const readPromptImages = (
  parts: readonly TypedPart[],
  read: (path: string) => Promise<Image>,
): Promise<(string | Image)[]> =>
  Promise.all(parts.map((part) => (typeof part === 'string' ? part : read(part.image))))
