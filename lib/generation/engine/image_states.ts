import { concat } from '../../ops/concat.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { normal } from '../../ops/noise.js'
import { rowSeeds } from '../../random.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import type { Generation } from './generation.js'
import type { GenerativeImages } from '../model.js'

/** A sampler's state for N images, one image a row. */
export interface DenoisingState {
  /** `[N, values]`: x_t. */
  readonly x: Tensor
  /** `[N, values]`: the last estimate of the clean image, which multistep samplers need. */
  readonly x0: Tensor
}

/**
 * The images of one model on the device that are being denoised, or are finished and not committed yet: the sampler's
 * state of each, in one row. Its methods enqueue work, which belongs to the open scope and job; the state itself is kept
 * until it is replaced.
 */
export class ImageStates {
  readonly #images: GenerativeImages
  /** The generation of each row. */
  #owners: readonly Generation[] = []
  #state: DenoisingState | undefined

  constructor(images: GenerativeImages) {
    this.#images = images
  }

  /** Values of one image. */
  get values(): number {
    const { height, width, channels } = this.#images
    return height * width * channels
  }

  /** x [N, values] of the given generations' images. */
  x(owners: readonly Generation[]): Tensor {
    return this.#rows(this.#state!.x, this.#owners, owners)
  }

  /**
   * The state before a denoising step of the given generations, in this order. `starting` are those of them whose image
   * begins with this step: its x is noise. It has no x0 yet; the row holds noise too, and the first step's coefficient for
   * it is 0.
   */
  before(denoising: readonly Generation[], starting: readonly Generation[]): DenoisingState {
    if (this.#state && sameItems(denoising, this.#owners)) return this.#state
    if (starting.length === 0)
      return { x: this.x(denoising), x0: this.#rows(this.#state!.x0, this.#owners, denoising) }
    const noise = this.#noise(starting)
    if (sameItems(denoising, starting)) return { x: noise, x0: noise }
    const owners = [...this.#owners, ...starting]
    const withNoise = (held: Tensor | undefined) => (held ? concat([held, noise], 0) : noise)
    return {
      x: this.#rows(withNoise(this.#state?.x), owners, denoising),
      x0: this.#rows(withNoise(this.#state?.x0), owners, denoising),
    }
  }

  /** Stores the state after the step, beside the images of other generations that are still needed. */
  update(denoising: readonly Generation[], { x, x0 }: DenoisingState): void {
    const denoised = new Set(denoising)
    const others = this.#owners.filter((owner) => owner.hasImageState && !denoised.has(owner))
    if (others.length > 0) {
      x = concat([x, this.x(others)], 0)
      x0 = concat([x0, this.#rows(this.#state!.x0, this.#owners, others)], 0)
    }
    this.#replace([...denoising, ...others], { x: keep(x), x0: keep(x0) })
  }

  /** Frees the state where no generation needs it any more. */
  freeUnused(): void {
    if (!this.#owners.some((owner) => owner.hasImageState)) this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#replace([], undefined)
  }

  #replace(owners: readonly Generation[], state: DenoisingState | undefined): void {
    this.#state?.x.free()
    this.#state?.x0.free()
    this.#owners = owners
    this.#state = state
  }

  #rows(from: Tensor, owners: readonly Generation[], wanted: readonly Generation[]): Tensor {
    const rows = new Map(owners.map((owner, row) => [owner, row]))
    return gatherRows(from, fromArray(Int32Array.from(wanted, (owner) => rows.get(owner)!)))
  }

  #noise(starting: readonly Generation[]): Tensor {
    const { height, width, channels } = this.#images
    const { length: count } = starting
    const seeds = starting.map(({ imageSeed }) => imageSeed)
    const pixels = height * width
    const imageRows = fromArray(Int32Array.from({ length: count + 1 }, (_, i) => i * pixels))
    const key = fromArray(rowSeeds(seeds, 'noise', 0), [count, 4])
    return normal(imageRows, key, channels, count * pixels).view([count, this.values])
  }
}

const sameItems = (a: readonly Generation[], b: readonly Generation[]): boolean =>
  a.length === b.length && a.every((generation, i) => generation === b[i])
