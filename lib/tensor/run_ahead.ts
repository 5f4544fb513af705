/**
 * Bounds how far JavaScript runs ahead of the device: an op call never waits, so a loop hands over one promise per
 * step (a fence or a read) and goes on once at most one earlier step is unfinished.
 */
export class RunAhead {
  #previous: Promise<unknown> | undefined

  /** Waits for the step before; rejects as its promise does. */
  async step(current: Promise<unknown>): Promise<void> {
    // Its rejection is reported by the next call, or by whoever reads it: never as unhandled.
    current.catch(() => {})
    const previous = this.#previous
    this.#previous = current
    await previous
  }

  /** Waits for the last step too. */
  async finish(): Promise<void> {
    await this.#previous
  }

  /** Waits until the last step has ended, however it does. */
  async settle(): Promise<void> {
    await this.#previous?.catch(() => {})
  }
}
