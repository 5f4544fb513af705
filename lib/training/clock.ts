/** Seconds of training: runs between `start` and `stop`. */
export class Clock {
  #before = 0
  #started: number | undefined

  get seconds(): number {
    return this.#before + (this.#started === undefined ? 0 : (performance.now() - this.#started) / 1000)
  }

  /** Sets it, at rest. */
  set seconds(value: number) {
    this.#before = value
    this.#started = undefined
  }

  start(): void {
    this.#started ??= performance.now()
  }

  stop(): void {
    this.#before = this.seconds
    this.#started = undefined
  }
}
