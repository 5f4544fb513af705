import type { Image } from '../../image/image.js'

/** A text, or the path of an image. */
export type PromptPiece = string | { readonly image: string }

/**
 * The pieces of a prompt as words of a command line: `@cat.png` is an image, all else text; `@@` begins a text with @.
 * Texts that follow each other are joined by a space, as a shell's echo joins them.
 */
export function promptPieces(words: readonly string[]): PromptPiece[] {
  const pieces: PromptPiece[] = []
  for (const word of words) {
    const last = pieces.at(-1)
    if (/^@[^@]/.test(word)) pieces.push({ image: word.slice(1) })
    else {
      const text = word.startsWith('@@') ? word.slice(1) : word
      if (typeof last === 'string') pieces[pieces.length - 1] = `${last} ${text}`
      else pieces.push(text)
    }
  }
  return pieces
}

/** A prompt with its images read. */
export const readPieces = (
  pieces: readonly PromptPiece[],
  read: (path: string) => Promise<Image>,
): Promise<(string | Image)[]> =>
  Promise.all(pieces.map((piece) => (typeof piece === 'string' ? piece : read(piece.image))))
