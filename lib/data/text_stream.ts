import type { Tokenizer } from './tokenizer.js'

/** What a byte sequence that is not, or not yet, UTF-8 decodes to. */
const REPLACEMENT = '\ufffd'

/**
 * Decodes token ids to text as they arrive. The pieces joined are the text of all ids; a character whose bytes
 * are spread over several tokens comes in one piece, and spaces that a token only has inside a text are kept.
 * Special tokens give no text.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer
  /** The ids of the latest piece, which decide how the next one joins it, then those that await more bytes. */
  #window: number[] = []
  /** How much of the window's text has been given out. */
  #given = 0
  /** Where in the window the ids begin that have given no text yet. */
  #pending = 0

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  /** The text that `id` completes; '' while a character is incomplete. */
  push(id: number): string {
    this.#window.push(id)
    const text = this.#text()
    if (text.length <= this.#given || text.endsWith(REPLACEMENT)) return ''
    const piece = text.slice(this.#given)
    this.#window = this.#window.slice(this.#pending)
    this.#given = this.#text().length
    this.#pending = this.#window.length
    return piece
  }

  /** The text still held back, its incomplete characters as U+FFFD; the stream begins anew. */
  flush(): string {
    const piece = this.#text().slice(this.#given)
    this.#window = []
    this.#given = 0
    this.#pending = 0
    return piece
  }

  #text(): string {
    return this.#tokenizer.decode(this.#window, { skipSpecial: true })
  }
}
