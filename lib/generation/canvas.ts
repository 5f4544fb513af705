import { concat } from '../ops/concat.js'
import { gatherRows } from '../ops/gather_rows.js'
import { normal } from '../ops/noise.js'
import { rowSeeds } from '../random.js'
import type { ImagePart } from '../sequence/document.js'
import { keep } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import type { Generation } from './generation.js'

/**
 * The images of a model that are under way, or not read again yet, one a row: x_t, and the last estimate of x0, which
 * some samplers need. Its methods belong to the open scope and job; what lies on it lives until it is replaced.
 */
export class Canvas {
  readonly #size: ImagePart
  readonly #channels: number
  #owners: readonly Generation[] = []
  #x: Tensor | undefined
  #x0: Tensor | undefined

  constructor(size: ImagePart, channels: number) {
    this.#size = size
    this.#channels = channels
  }

  /** Values of one image. */
  get values(): number {
    return this.#size.height * this.#size.width * this.#channels
  }

  /** The images [N, values] of some owners as they stand. */
  images(owners: readonly Generation[]): Tensor {
    return this.#rows(this.#x!, this.#owners, owners)
  }

  /**
   * x and x0 [N, values] of the images that are drawn in a call, in this order; `begun` tells those that start from
   * noise. These have no x0 yet: it is noise too, and counts for nothing.
   */
  take(drawers: readonly Generation[], begun: readonly Generation[]): { x: Tensor; x0: Tensor } {
    if (this.#x && same(drawers, this.#owners)) return { x: this.#x, x0: this.#x0! }
    if (begun.length === 0)
      return { x: this.images(drawers), x0: this.#rows(this.#x0!, this.#owners, drawers) }
    const noise = this.#noise(begun)
    if (same(drawers, begun)) return { x: noise, x0: noise }
    const owners = [...this.#owners, ...begun]
    const all = (held: Tensor | undefined) => (held ? concat([held, noise], 0) : noise)
    return {
      x: this.#rows(all(this.#x), owners, drawers),
      x0: this.#rows(all(this.#x0), owners, drawers),
    }
  }

  /** Puts the images back as the call leaves them, beside those that others still need. */
  put(drawers: readonly Generation[], x: Tensor, x0: Tensor): void {
    const drawn = new Set(drawers)
    const left = this.#owners.filter((owner) => owner.onCanvas && !drawn.has(owner))
    if (left.length > 0) {
      x = concat([x, this.images(left)], 0)
      x0 = concat([x0, this.#rows(this.#x0!, this.#owners, left)], 0)
    }
    this.#replace([...drawers, ...left], keep(x), keep(x0))
  }

  /** Frees what no owner needs. */
  tidy(): void {
    if (!this.#owners.some((owner) => owner.onCanvas)) this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#replace([], undefined, undefined)
  }

  #replace(owners: readonly Generation[], x: Tensor | undefined, x0: Tensor | undefined): void {
    this.#x?.free()
    this.#x0?.free()
    this.#owners = owners
    this.#x = x
    this.#x0 = x0
  }

  #rows(from: Tensor, owners: readonly Generation[], wanted: readonly Generation[]): Tensor {
    const places = new Map(owners.map((owner, row) => [owner, row]))
    return gatherRows(from, fromArray(Int32Array.from(wanted, (owner) => places.get(owner)!)))
  }

  #noise(begun: readonly Generation[]): Tensor {
    const seeds = begun.map(({ imageSeed }) => imageSeed)
    const rows = this.#size.height * this.#size.width
    const imageRows = fromArray(Int32Array.from({ length: begun.length + 1 }, (_, i) => i * rows))
    const key = fromArray(rowSeeds(seeds, 'noise', 0), [begun.length, 4])
    return normal(imageRows, key, this.#channels, begun.length * rows).view([begun.length, this.values])
  }
}

const same = (a: readonly Generation[], b: readonly Generation[]): boolean =>
  a.length === b.length && a.every((generation, i) => generation === b[i])
