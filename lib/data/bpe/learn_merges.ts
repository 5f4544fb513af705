import { BYTE_SYMBOLS } from './byte_symbols.js'
import { grown } from './growing_array.js'
import { type Candidate, MergeQueue } from './merge_queue.js'
import { NONE, NumberLists } from './number_lists.js'
import { PairTable } from './pair_table.js'
import type { WordCounts } from './word_counts.js'
import { Words } from './words.js'

export interface MergeOptions {
  /** Tokens at which learning ends. */
  readonly vocabulary: number
  /** What occurs less often is not merged. */
  readonly minimumFrequency: number
}

/** Words that are cut into bytes at a time. */
const WORDS_AT_ONCE = 1024

/**
 * Byte-pair encoding (Sennrich et al., 2016): the most frequent pair of neighbours becomes a token, again and again. Adds
 * the new tokens to `tokens`, which hold those of the bytes, and returns the pairs of ids in the order of their merging.
 * A step of the iteration takes a few milliseconds, rarely more.
 *
 * Results are those of Hugging Face's trainer, peculiarities included. The occurrences that a merge uses up stay in the
 * count of its pair. Where two pairs spell the same token, they share its id; so its pairs can be queued, and merged,
 * more than once, each time where they are new.
 */
export function* learnMerges(
  words: WordCounts,
  tokens: string[],
  { vocabulary, minimumFrequency }: MergeOptions,
): Generator<void, [left: number, right: number][], undefined> {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const byteTokens = BYTE_SYMBOLS.map((symbol) => ids.get(symbol)!)
  const pairs = new NewPairs()
  let added = 0
  for (const [word, count] of words.entries()) {
    const bytes = Buffer.from(word, 'utf8')
    pairs.add(
      Array.from(bytes, (byte) => byteTokens[byte]!),
      count,
    )
    if (++added % WORDS_AT_ONCE === 0) yield
  }
  pairs.queue()
  const merges: [number, number][] = []
  while (tokens.length < vocabulary) {
    const next = pairs.mostFrequent()
    if (!next || next.count < minimumFrequency) break
    const { left, right } = next
    const token = tokens[left]! + tokens[right]!
    let merged = ids.get(token)
    if (merged === undefined) {
      merged = tokens.push(token) - 1
      ids.set(token, merged)
    }
    merges.push([left, right])
    pairs.merge(next, merged)
    yield
  }
  return merges
}

interface FrequentPair extends Candidate {
  readonly left: number
  readonly right: number
}

/** How often pairs occur, and where those are that have become new. */
class NewPairs {
  readonly #words = new Words()
  readonly #pairs = new PairTable()
  readonly #queue = new MergeQueue(this.#pairs)
  readonly #lists = new NumberLists()
  #counts = new Float64Array(1024)
  /** For each pair the list of words where it is new, until it is queued; kept only for those in `#new`. */
  #places = new Int32Array(1024)
  #new: number[] = []
  /** For each pair: whether it is in `#new`. */
  #isNew = new Int32Array(1024)

  /** Adds a word that occurs `count` times, and counts its pairs. */
  add(tokens: readonly number[], count: number): void {
    const word = this.#words.add(tokens, count)
    for (let i = 1; i < tokens.length; i++) this.#change(word, tokens[i - 1]!, tokens[i]!, 1)
  }

  /** Queues the pairs that are new. */
  queue(): void {
    for (const pair of this.#new) {
      const count = this.#counts[pair]!
      const words = this.#places[pair]!
      if (count > 0) this.#queue.push({ pair, count, words })
      else this.#lists.take(words)
      this.#isNew[pair] = 0
    }
    this.#new = []
  }

  mostFrequent(): FrequentPair | undefined {
    for (let next; (next = this.#queue.pop());) {
      const { pair, words } = next
      const count = this.#counts[pair]!
      if (count === next.count)
        return { ...next, left: this.#pairs.left(pair), right: this.#pairs.right(pair) }
      // Merges have changed how often it occurs since it was queued.
      this.#queue.push({ pair, count, words })
    }
    return undefined
  }

  /** Merges a pair where it was new when it was queued, and queues the pairs that come of it. */
  merge({ words, left, right }: FrequentPair, merged: number): void {
    for (const word of this.#lists.take(words))
      this.#words.merge(word, left, right, merged, (a, b, by) => this.#change(word, a, b, by))
    this.queue()
  }

  #change(word: number, left: number, right: number, by: 1 | -1): void {
    const pair = this.#pairs.index(left, right)
    this.#counts = grown(this.#counts, this.#pairs.size)
    this.#counts[pair]! += by * this.#words.count(word)
    if (by < 0) return
    this.#isNew = grown(this.#isNew, this.#pairs.size)
    this.#places = grown(this.#places, this.#pairs.size)
    if (this.#isNew[pair] === 0) {
      this.#isNew[pair] = 1
      this.#places[pair] = NONE
      this.#new.push(pair)
    }
    this.#places[pair] = this.#lists.add(this.#places[pair]!, word)
  }
}
