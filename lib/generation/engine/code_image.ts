import type { EncodedImage } from '../../image/image.js'
import type { CodeTokens } from '../../sequence/code_tokens.js'
import type { ImagePart } from '../../sequence/document.js'
import type { CodeInput } from './step_input.js'

/**
 * An image that is generated as tokens, in raster order: how many of its codes are enqueued to be sampled, and which have
 * been read. A step is enqueued before the code of the one before it is read, which on the device it is given by a placeholder; all
 * are codes, so that none turns out to be something else.
 */
export class CodeImage {
  readonly #tokens: CodeTokens
  readonly #size: ImagePart
  readonly #boi: number
  readonly #ids: number[] = []
  #enqueued = 0

  constructor(tokens: CodeTokens, size: ImagePart, boi: number) {
    this.#tokens = tokens
    this.#size = size
    this.#boi = boi
  }

  /** Codes of the image. */
  get count(): number {
    return this.#size.height * this.#size.width
  }

  /** Whether all codes are read. */
  get isComplete(): boolean {
    return this.#ids.length === this.count
  }

  /** The token of the last code that was read. */
  get lastId(): number {
    return this.#ids.at(-1)!
  }

  /** The input of the next step, of which there is one for each code. */
  nextInput(): CodeInput {
    const index = this.#enqueued
    const isPlaceholder = index > this.#ids.length
    const id = index === 0 || isPlaceholder ? this.#boi : this.lastId
    return { type: 'code', index, isLast: index + 1 === this.count, id, isPlaceholder }
  }

  onEnqueued(): void {
    this.#enqueued++
  }

  /** Takes the token of the next code. */
  receive(id: number): void {
    this.#ids.push(id)
  }

  /** The codes as an image's values, those that are missing like the last that was read. */
  get encoded(): EncodedImage {
    const { height, width } = this.#size
    const ids = Array.from({ length: this.count }, (_, i) => this.#ids[i] ?? this.lastId)
    return { height, width, values: this.#tokens.valuesOf(ids) }
  }
}
