import type { Encoding, Tokenizer } from 'tokenizers'

/** Nothing that frames a document is added. */
const options = { addSpecialTokens: false }

interface Waiting {
  readonly text: string
  resolve(encoding: Encoding | Promise<Encoding>): void
}

/** Encodes the texts of all calls in one turn of the event loop together, on threads of the library's. */
export class EncodingQueue {
  readonly #tokenizer: Tokenizer
  #waiting: Waiting[] = []

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  /** Rejects with the library's reason where the text has no ids. */
  encode(text: string): Promise<Encoding> {
    if (this.#waiting.length === 0) queueMicrotask(() => void this.#encodeAll())
    return new Promise((resolve) => this.#waiting.push({ text, resolve }))
  }

  async #encodeAll(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const alone = (text: string) => this.#tokenizer.encode(text, null, options)
    if (waiting.length === 1) return waiting[0]!.resolve(alone(waiting[0]!.text))
    try {
      const texts = waiting.map(({ text }) => text)
      const encodings = await this.#tokenizer.encodeBatch(texts, options)
      for (const [i, { resolve }] of waiting.entries()) resolve(encodings[i]!)
    } catch {
      // One text without ids is not the others' matter.
      for (const { text, resolve } of waiting) resolve(alone(text))
    }
  }
}
