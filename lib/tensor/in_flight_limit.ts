/**
 * Limits the steps that are in flight on the device: an op call never waits, so a loop hands over one promise per step (a
 * fence or a read) and goes on once at most one earlier step is unfinished.
 */
export class InFlightLimit {
  #previous: Promise<unknown> | undefined

  /** Adds a step and waits for the one before it; rejects as that one's promise does. */
  async step(current: Promise<unknown>): Promise<void> {
    // The next call reports its rejection, or whoever reads the promise: Node must not take it for unhandled.
    current.catch(() => {})
    const previous = this.#previous
    this.#previous = current
    await previous
  }

  /** Waits for the last step too. */
  async finish(): Promise<void> {
    await this.#previous
  }

  /** Waits until the last step has ended, whether it was done or failed. */
  async settle(): Promise<void> {
    await this.#previous?.catch(() => {})
  }
}
