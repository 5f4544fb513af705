/** Most words of an n-gram that caption metrics count. */
export const orders = 4

/** More than there are different words: a number of an n-gram and one of a word are one exact integer. */
const mostWords = 2 ** 21

/** How often each n-gram of one order occurs in a text: their numbers, ascending, and their counts. */
export interface NgramCounts {
  readonly ids: readonly number[]
  readonly counts: readonly number[]
}

/** Numbers the n-grams of texts, of one to four words, in the order in which they are met. */
export class NgramIndex {
  readonly #words = new Map<string, number>()
  /** By the number of all but the last word, and that word's. */
  readonly #ids = new Map<number, number>()

  /** How many n-grams there are. */
  get size(): number {
    return this.#ids.size
  }

  /** The n-grams of a text: one entry for each order, from 1. */
  count(words: readonly string[]): NgramCounts[] {
    const numbers = words.map((word) => this.#wordOf(word))
    const byOrder: number[][] = Array.from({ length: orders }, () => [])
    for (let start = 0; start < words.length; start++) {
      let id = 0
      for (let n = 0; n < orders && start + n < words.length; n++) {
        id = this.#idOf(id * mostWords + numbers[start + n]!)
        byOrder[n]!.push(id)
      }
    }
    return byOrder.map(countsOf)
  }

  #wordOf(word: string): number {
    const known = this.#words.get(word)
    if (known !== undefined) return known
    this.#words.set(word, this.#words.size)
    return this.#words.size - 1
  }

  /** From 1: 0 is the n-gram of no words. */
  #idOf(key: number): number {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    this.#ids.set(key, this.#ids.size + 1)
    return this.#ids.size
  }
}

/** Sorts what it is given. */
function countsOf(found: number[]): NgramCounts {
  found.sort((a, b) => a - b)
  const ids: number[] = []
  const counts: number[] = []
  for (const id of found)
    if (ids.at(-1) === id) counts[counts.length - 1]!++
    else {
      ids.push(id)
      counts.push(1)
    }
  return { ids, counts }
}

/** Calls `visit` with the places in both of each n-gram that two texts share. */
export function forShared(a: NgramCounts, b: NgramCounts, visit: (i: number, j: number) => void): void {
  let [i, j] = [0, 0]
  while (i < a.ids.length && j < b.ids.length) {
    const difference = a.ids[i]! - b.ids[j]!
    if (difference === 0) visit(i, j)
    if (difference <= 0) i++
    if (difference >= 0) j++
  }
}
