/** Keeps what changes apart from those who read it over a time. */
export class Readers {
  #count = 0
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `body`, after those before it; no change begins until it has ended. */
  read<R>(body: () => Promise<R>): Promise<R> {
    // From now on: what is under way when it begins, it must wait for itself.
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
