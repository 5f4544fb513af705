import type { Tokenizer } from './tokenizer.js'

/** What a byte sequence that is not, or not yet, UTF-8 decodes to. */
const replacement = '\ufffd'

/**
 * Decodes token ids to text as they arrive. The pieces joined are the text of all ids; a character whose bytes
 * are spread over several tokens comes in one piece, and spaces that a token only has inside a text are kept.
 * Special tokens give no text. (Where bytes that never make a character follow characters spelled in bytes, decoding all
 * at once makes U+FFFD of these too; here they have been given out.)
 */
export class TextStream {
  readonly #tokenizer: Tokenizer
  /** The ids of the latest piece, which decide how the next one joins it, then those that await more bytes. */
  #window: number[] = []
  /** What of the window's text has been given out. */
  #given = ''
  /** Where in the window the ids begin that have given no text yet. */
  #pending = 0

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  /** The text that `id` completes; '' while a character is incomplete. */
  push(id: number): string {
    this.#window.push(id)
    const piece = this.#piece()
    if (piece === '' || piece.endsWith(replacement)) return ''
    this.#window = this.#window.slice(this.#pending)
    this.#given = this.#textOf(this.#window)
    this.#pending = this.#window.length
    return piece
  }

  /** The text still held back, its incomplete characters as U+FFFD; the stream begins anew. */
  flush(): string {
    const piece = this.#piece()
    this.#window = []
    this.#given = ''
    this.#pending = 0
    return piece
  }

  /** The window's text that has not been given out. */
  #piece(): string {
    const text = this.#textOf(this.#window)
    if (text.startsWith(this.#given)) return text.slice(this.#given.length)
    return this.#textOf(this.#window.slice(this.#pending))
  }

  #textOf(ids: readonly number[]): string {
    return this.#tokenizer.decode(ids, { skipSpecial: true })
  }
}
