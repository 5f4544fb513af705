/** Seconds between two lines: in a terminal, where each takes the place of the last, and elsewhere. */
const terminalSeconds = 0.2
const plainSeconds = 10

/** A line on a stream that says how far something is, now and then. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream
  readonly #started = performance.now()
  #shown = -Infinity
  #isOpen = false

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** Since it was made. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000
  }

  /** Whether it is time for another line. */
  get isDue(): boolean {
    const since = (performance.now() - this.#shown) / 1000
    return since >= (this.#stream.isTTY ? terminalSeconds : plainSeconds)
  }

  write(line: string): void {
    this.#shown = performance.now()
    this.#isOpen = true
    this.#stream.write(this.#stream.isTTY ? `\r\u001B[2K${line}` : `${line}\n`)
  }

  /** Leaves the line that a terminal shows; may be called again. */
  stop(): void {
    if (this.#stream.isTTY && this.#isOpen) this.#stream.write('\n')
    this.#isOpen = false
  }
}
