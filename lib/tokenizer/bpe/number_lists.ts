import { grown } from './growing_array.js'

/** An empty list. */
export const noEntry = -1

/** Many short lists of integers in one piece of memory, linked; a list is named by its latest entry. */
export class NumberLists {
  #numbers = new Int32Array(1024)
  #next = new Int32Array(1024)
  #used = 0
  #free = noEntry

  /** The list with `number` before all others. A number that was the latest already is not added again. */
  add(list: number, number: number): number {
    if (list !== noEntry && this.#numbers[list] === number) return list
    const entry = this.#take()
    this.#numbers[entry] = number
    this.#next[entry] = list
    return entry
  }

  /** The numbers of a list, which is given up. */
  take(list: number): number[] {
    const numbers: number[] = []
    for (let entry = list; entry !== noEntry;) {
      numbers.push(this.#numbers[entry]!)
      const next = this.#next[entry]!
      this.#next[entry] = this.#free
      this.#free = entry
      entry = next
    }
    return numbers
  }

  #take(): number {
    if (this.#free === noEntry) {
      const entry = this.#used++
      this.#numbers = grown(this.#numbers, this.#used)
      this.#next = grown(this.#next, this.#used)
      return entry
    }
    const entry = this.#free
    this.#free = this.#next[entry]!
    return entry
  }
}
