import { grown } from './growing_array.js'

/** Called for each pair of neighbours that a merge makes (`by` 1) or unmakes (-1) in a word. */
export type PairChange = (left: number, right: number, by: 1 | -1) => void

/** Words as rows of token ids, which merges shorten. */
export class Words {
  #length = 0
  #counts = new Float64Array(1024)
  /** Where the words' tokens begin, and how many they are. */
  #starts = new Float64Array(1024)
  #lengths = new Int32Array(1024)
  #tokens = new Int32Array(8192)
  #used = 0

  /** Adds a word that occurs `count` times. Returns its number, from 0. */
  add(tokens: readonly number[], count: number): number {
    const word = this.#length++
    this.#counts = grown(this.#counts, this.#length)
    this.#starts = grown(this.#starts, this.#length)
    this.#lengths = grown(this.#lengths, this.#length)
    this.#tokens = grown(this.#tokens, this.#used + tokens.length)
    this.#counts[word] = count
    this.#starts[word] = this.#used
    this.#lengths[word] = tokens.length
    this.#tokens.set(tokens, this.#used)
    this.#used += tokens.length
    return word
  }

  /** How often a word occurs. */
  count(word: number): number {
    return this.#counts[word]!
  }

  /** Replaces `left` followed by `right` by `merged`, from the word's beginning on. */
  merge(word: number, left: number, right: number, merged: number, onChange: PairChange): void {
    const tokens = this.#tokens
    const start = this.#starts[word]!
    const end = start + this.#lengths[word]!
    let to = start
    for (let from = start; from < end; to++) {
      if (tokens[from] !== left || from + 1 === end || tokens[from + 1] !== right) {
        tokens[to] = tokens[from++]!
        continue
      }
      if (to > start) {
        onChange(tokens[to - 1]!, left, -1)
        onChange(tokens[to - 1]!, merged, 1)
      }
      tokens[to] = merged
      from += 2
      if (from < end) {
        onChange(right, tokens[from]!, -1)
        onChange(merged, tokens[from]!, 1)
      }
    }
    this.#lengths[word] = to - start
  }
}
