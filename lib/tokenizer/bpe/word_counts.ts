import { byteLevelWords } from '../byte_level_words.js'

/** Between these two characters every text falls into words that are its parts' words. */
const cut = /\P{White_Space}(?=\p{White_Space})/gu

/** Code units whose words are listed at a time. */
const pieceLength = 2 ** 16

/** V8's Map takes no more. */
const mostWords = 2 ** 24 - 1

/** How often each word occurs in texts. */
export class WordCounts {
  readonly #counts = new Map<string, number>()

  /** Different words. */
  get size(): number {
    return this.#counts.size
  }

  /** Adds a text, a piece at each step of the iteration. @throws Error beyond 16 million different words */
  *add(text: string): Generator<void, void, undefined> {
    for (const piece of piecesOf(text)) {
      for (const word of piece.match(byteLevelWords) ?? []) {
        const count = this.#counts.get(word)
        if (count !== undefined) this.#counts.set(word, count + 1)
        else this.#addWord(word)
      }
      yield
    }
  }

  entries(): IterableIterator<[word: string, count: number]> {
    return this.#counts.entries()
  }

  #addWord(word: string): void {
    if (this.#counts.size === mostWords)
      throw new Error(`the texts have more than ${mostWords} different words; train on a part of them`)
    // A copy: the word is a slice that would keep its whole text in memory. UTF-8 has no lone surrogates.
    const copy = Buffer.from(word, 'utf8').toString('utf8')
    this.#counts.set(copy, (this.#counts.get(copy) ?? 0) + 1)
  }
}

function* piecesOf(text: string): Generator<string, void, undefined> {
  let from = 0
  while (text.length - from > pieceLength) {
    cut.lastIndex = from + pieceLength
    const found = cut.exec(text)
    if (!found) break
    const end = found.index + found[0].length
    yield text.slice(from, end)
    from = end
  }
  yield text.slice(from)
}
