import type { EncodingProgress } from '../../run/encode_latents.js'

/** Seconds between two lines: in a terminal, where each takes the place of the last, and elsewhere. */
const terminalSeconds = 0.2
const plainSeconds = 10

/** Shows on a stream how far an encoding is. */
export class EncodingLine {
  readonly #stream: NodeJS.WriteStream
  readonly #started = performance.now()
  #shown = -Infinity
  #written = false

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  update({ documents, images, total }: EncodingProgress): void {
    const now = performance.now()
    if ((now - this.#shown) / 1000 < (this.#stream.isTTY ? terminalSeconds : plainSeconds)) return
    this.#shown = now
    this.#written = true
    const rate = (images / ((now - this.#started) / 1000)).toFixed(1)
    const of = total === undefined ? '' : ` of ${total.toLocaleString('en')}`
    const line = `encoding: ${documents.toLocaleString('en')}${of} documents, ${rate} images/s`
    this.#stream.write(this.#stream.isTTY ? `\r\u001B[2K${line}` : `${line}\n`)
  }

  /** Leaves the line that a terminal shows. */
  stop(): void {
    if (this.#stream.isTTY && this.#written) this.#stream.write('\n')
    this.#written = false
  }
}
