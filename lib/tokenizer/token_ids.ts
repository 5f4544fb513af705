/** Which ids the tokens of a `tokenizer.json` have. */
import type { TokenizerJson } from './tokenizer_json.js'

/**
 * The ids of a tokenizer's tokens as the library gives them: those beside the vocabulary, in their order, have the ids after
 * its number of tokens, whatever ids the file says. The vocabulary is gone through once, and not copied: it may be large.
 */
export class TokenIds {
  readonly #vocabulary: TokenizerJson['model']['vocab']
  /** Of a vocabulary that is a list, the ids by token. */
  readonly #listed: ReadonlyMap<string, number> | undefined
  /** Of the tokens beside the vocabulary. */
  readonly #beside = new Map<string, number>()
  readonly #taken = new Set<number>()
  #size = 0
  /** What the library counts as the vocabulary's number of tokens. */
  readonly #words: number

  constructor({ model: { vocab }, added_tokens = [] }: TokenizerJson) {
    this.#vocabulary = vocab
    if (Array.isArray(vocab)) this.#listed = new Map(vocab.map(([token], id) => [token, id]))
    const ids = Array.isArray(vocab) ? vocab.keys() : Object.values(vocab)
    let words = 0
    for (const id of ids) {
      this.#take(id)
      words++
    }
    this.#words = words
    for (const { content } of added_tokens)
      if (content !== '' && this.get(content) === undefined) this.#set(content, words + this.#beside.size)
  }

  /** 1 more than the highest id. */
  get size(): number {
    return this.#size
  }

  /** A token's id, if there is such a token. */
  get(token: string): number | undefined {
    const vocab = this.#vocabulary
    if (this.#listed) return this.#listed.get(token) ?? this.#beside.get(token)
    return Object.hasOwn(vocab, token) ? (vocab as Record<string, number>)[token] : this.#beside.get(token)
  }

  /** Whether a token has this id. */
  has(id: number): boolean {
    return this.#taken.has(id)
  }

  /** Gives a token that there is not yet the id after all others, and returns it. */
  add(token: string): number {
    const id = this.size
    this.#set(token, id)
    return id
  }

  /** Whether no token has some id below `size`. */
  get hasGaps(): boolean {
    return this.#taken.size < this.#size
  }

  /**
   * A tokenizer with all of these tokens in its `added_tokens`, as the library is to have it. Where the vocabulary has gaps, the library would give BOI and EOI ids within it:
   * there all tokens beside the vocabulary stand in it too, with their ids.
   */
  pinnedIn(json: TokenizerJson): TokenizerJson {
    const vocab = this.#vocabulary
    const beside = [...this.#beside]
    if (Array.isArray(vocab) || beside.every(([, id], i) => id === this.#words + i)) return json
    return { ...json, model: { ...json.model, vocab: { ...vocab, ...Object.fromEntries(beside) } } }
  }

  #set(token: string, id: number): void {
    this.#beside.set(token, id)
    this.#take(id)
  }

  #take(id: number): void {
    // The library refuses all others.
    if (!Number.isInteger(id) || id < 0) return
    this.#taken.add(id)
    this.#size = Math.max(this.#size, id + 1)
  }
}
