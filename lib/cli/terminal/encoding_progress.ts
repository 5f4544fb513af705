import type { EncodingProgress } from '../../run/encode_latents.js'
import { ProgressLine } from './progress_line.js'

/** Shows on a stream how far an encoding is. */
export class EncodingLine {
  readonly #line = new ProgressLine()

  update({ documents, images, total }: EncodingProgress): void {
    if (!this.#line.isDue) return
    const rate = (images / this.#line.seconds).toFixed(1)
    const of = total === undefined ? '' : ` of ${total.toLocaleString('en')}`
    this.#line.write(`encoding: ${documents.toLocaleString('en')}${of} documents, ${rate} images/s`)
  }

  /** Leaves the line that a terminal shows. */
  stop(): void {
    this.#line.stop()
  }
}
