import { dirname, relative, resolve } from 'node:path'
import type { Image } from '../../image/image.js'
import type { Prompt } from '../prompt.js'

interface Picture {
  image: Image
  file: string
}

/** What user and model have written and drawn so far. */
export class ChatDocument {
  readonly #pieces: (string | Picture)[] = []
  /** Whether the last piece is a text of the model's that may go on. */
  #answering = false

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** The whole of it, for the model to go on from. */
  get prompt(): Prompt {
    return this.#pieces.map((piece) => (typeof piece === 'string' ? piece : piece.image))
  }

  /** Adds text of the model's, which comes in pieces: those of one answer are one text. */
  append(text: string): void {
    if (text === '') return
    if (this.#answering) this.#pieces[this.#pieces.length - 1] += text
    else this.#pieces.push(text)
    this.#answering = true
  }

  /**
   * Adds a line of the user's: after a text that does not end in white space, with a space before it. It is a text of
   * its own, as is the answer to it: where a tokenizer writes no space before a text's first word, the two would run
   * into one word.
   */
  appendLine(line: string): void {
    const last = this.#pieces.at(-1)
    this.#answering = false
    if (line === '') return
    this.#pieces.push(typeof last === 'string' && /\S$/.test(last) && /^\S/.test(line) ? ` ${line}` : line)
  }

  appendImage(image: Image, file: string): void {
    this.#pieces.push({ image, file })
    this.#answering = false
  }

  /** As a line of the JSON that `train` reads, for a file at `path`: images are paths from there. */
  toJson(path: string): string {
    const parts = this.#pieces.map((piece) =>
      typeof piece === 'string' ? piece : { image: relative(dirname(resolve(path)), resolve(piece.file)) },
    )
    return JSON.stringify({ parts })
  }
}
