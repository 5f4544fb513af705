import { writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import type { Image } from '../../image/image.js'
import type { Prompt } from '../prompt.js'

/** An image of a conversation, and the file that has it. */
interface ImageWithFile {
  image: Image
  file: string
}

/** The document that a user and a model write in turns: the model continues what both have written so far. */
export class ConversationDocument {
  readonly #parts: (string | ImageWithFile)[] = []
  /** Whether the last part is a text of the model that may grow. */
  #isAnswering = false

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  /** The whole document, for the model to continue. */
  get prompt(): Prompt {
    return this.#parts.map((part) => (typeof part === 'string' ? part : part.image))
  }

  /** Appends text of the model: consecutive calls make one text. */
  appendAnswer(text: string): void {
    if (text === '') return
    if (this.#isAnswering) this.#parts[this.#parts.length - 1] += text
    else this.#parts.push(text)
    this.#isAnswering = true
  }

  /**
   * Appends text of the user, with a space before it where the text before does not end in white space. It is a part of its
   * own, and so is the answer to it: some tokenizers write no space before a text's first word, so in one text the two would
   * run into one word.
   */
  appendText(text: string): void {
    const last = this.#parts.at(-1)
    this.#isAnswering = false
    if (text === '') return
    this.#parts.push(typeof last === 'string' && /\S$/.test(last) && /^\S/.test(text) ? ` ${text}` : text)
  }

  /** Appends an image, the user's or the model's. */
  appendImage(image: Image, file: string): void {
    this.#parts.push({ image, file })
    this.#isAnswering = false
  }

  /** A line of the JSON that `train` reads, for a file at `path`: images are paths relative to it. */
  toJson(path: string): string {
    const parts = this.#parts.map((part) =>
      typeof part === 'string' ? part : { image: relative(dirname(resolve(path)), resolve(part.file)) },
    )
    return JSON.stringify({ parts })
  }

  /** Writes `toJson` into a new file. Rejects with an Error where the document is empty or the file exists. */
  async save(path: string): Promise<void> {
    if (this.isEmpty) throw new Error('the document is empty')
    try {
      await writeFile(path, `${this.toJson(path)}\n`, { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      throw new Error(`${path} exists already, and stays as it is`, { cause: error })
    }
  }
}
