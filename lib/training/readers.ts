/** A lock of many readers, who read across awaits, and of synchronous changes, which wait until nobody reads. */
export class Readers {
  #count = 0
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `body` after the readers before it. No change begins until it has ended. */
  read<R>(body: () => Promise<R>): Promise<R> {
    // Counted from the call on, not from the beginning of `body`: a change that waits comes after it.
    this.#count++
    const reading = this.#last.then(body).finally(() => this.#count--)
    this.#last = reading.catch(() => {})
    return reading
  }

  /** Runs `change`, which must be synchronous, once nobody reads. */
  async change<R>(change: () => R): Promise<R> {
    while (this.#count > 0) await this.#last
    return change()
  }
}
