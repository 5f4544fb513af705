import { byteSymbols } from './byte_symbols.js'
import { grown } from './growing_array.js'
import { MergeQueue } from './merge_queue.js'
import { noEntry, NumberLists } from './number_lists.js'
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
const wordsAtOnce = 1024

/**
 * Byte-pair encoding (Sennrich et al., 2016): the most frequent pair of neighbours becomes a token, again and again. Adds
 * the new tokens to `tokens`, which hold those of the bytes, and returns the pairs of ids in the order of their merging,
 * which is that of Hugging Face's trainer. A step of the iteration takes a few milliseconds, rarely more.
 */
export function* learnMerges(
  words: WordCounts,
  tokens: string[],
  { vocabulary, minimumFrequency }: MergeOptions,
): Generator<void, [left: number, right: number][], undefined> {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const byteTokens = byteSymbols.map((symbol) => ids.get(symbol)!)
  const pairs = new CountedPairs()
  let added = 0
  for (const [word, count] of words.entries()) {
    const bytes = Buffer.from(word, 'utf8')
    pairs.add(
      Array.from(bytes, (byte) => byteTokens[byte]!),
      count,
    )
    if (++added % wordsAtOnce === 0) yield
  }
  pairs.queueNew()
  const merges: [number, number][] = []
  while (tokens.length < vocabulary) {
    const next = pairs.takeMostFrequent()
    if (!next || next.count < minimumFrequency) break
    const { left, right } = next
    const token = tokens[left]! + tokens[right]!
    // Two pairs never spell the same token (its bytes are merged in the same order wherever it comes to be), but a pair
    // may spell a special one, and then has its id.
    const merged = ids.get(token) ?? tokens.push(token) - 1
    merges.push([left, right])
    pairs.merge(next, merged)
    yield
  }
  return merges
}

interface CountedPair {
  readonly pair: number
  readonly count: number
  readonly left: number
  readonly right: number
}

/** How often pairs of neighbours occur in words, and where. */
class CountedPairs {
  readonly #words = new Words()
  readonly #pairs = new PairTable()
  readonly #queue = new MergeQueue(this.#pairs)
  readonly #lists = new NumberLists()
  #counts = new Float64Array(1024)
  /** For each pair the list of the words that had it when it was queued; it comes into no others later. */
  #places = new Int32Array(1024)
  /** Pairs that have been queued: the first so many. */
  #queued = 0

  /** Adds a word that occurs `count` times, and counts its pairs. */
  add(tokens: readonly number[], count: number): void {
    const word = this.#words.add(tokens, count)
    for (let i = 1; i < tokens.length; i++) this.#change(word, tokens[i - 1]!, tokens[i]!, 1)
  }

  /** Queues the pairs that have come since the last call. */
  queueNew(): void {
    for (; this.#queued < this.#pairs.size; this.#queued++)
      this.#queue.push(this.#queued, this.#counts[this.#queued]!)
  }

  takeMostFrequent(): CountedPair | undefined {
    for (let next; (next = this.#queue.pop());) {
      const { pair } = next
      const count = this.#counts[pair]!
      if (count === next.count)
        return { pair, count, left: this.#pairs.left(pair), right: this.#pairs.right(pair) }
      // Merges have used up some of it since it was queued.
      this.#queue.push(pair, count)
    }
    return undefined
  }

  /** Merges a pair wherever it is, and queues the pairs that come of it. */
  merge({ pair, left, right }: CountedPair, merged: number): void {
    for (const word of this.#lists.take(this.#places[pair]!))
      this.#words.merge(word, left, right, merged, (a, b, by) => this.#change(word, a, b, by))
    this.queueNew()
  }

  #change(word: number, left: number, right: number, by: 1 | -1): void {
    const known = this.#pairs.size
    const pair = this.#pairs.index(left, right)
    if (pair === known) {
      this.#counts = grown(this.#counts, known + 1)
      this.#places = grown(this.#places, known + 1)
      this.#places[pair] = noEntry
    }
    this.#counts[pair]! += by * this.#words.count(word)
    if (by > 0) this.#places[pair] = this.#lists.add(this.#places[pair]!, word)
  }
}
