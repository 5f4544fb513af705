import { dirname, relative, resolve } from 'node:path'
import type { Image } from '../data/document.js'
import type { Prompt } from '../generation/prompt.js'

interface Picture {
  image: Image
  file: string
}

/** What user and model have written and drawn so far. */
export class ChatDocument {
  readonly #pieces: (string | Picture)[] = []

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** The whole of it, for the model to go on from. */
  get prompt(): Prompt {
    return this.#pieces.map((piece) => (typeof piece === 'string' ? piece : piece.image))
  }

  /** Adds text of the model's, or of the same text: as it is. */
  append(text: string): void {
    const last = this.#pieces.at(-1)
    if (typeof last === 'string') this.#pieces[this.#pieces.length - 1] = last + text
    else if (text !== '') this.#pieces.push(text)
  }

  /** Adds a line of the user's: after a text that does not end in white space, with a space between. */
  appendLine(line: string): void {
    const last = this.#pieces.at(-1)
    const joins = typeof last === 'string' && /\S$/.test(last) && /^\S/.test(line)
    this.append(joins ? ` ${line}` : line)
  }

  appendImage(image: Image, file: string): void {
    this.#pieces.push({ image, file })
  }

  /** As a line of the JSON that `train` reads, for a file at `path`: images are paths from there. */
  toJson(path: string): string {
    const parts = this.#pieces.map((piece) =>
      typeof piece === 'string' ? piece : { image: relative(dirname(resolve(path)), resolve(piece.file)) },
    )
    return JSON.stringify({ parts })
  }
}
