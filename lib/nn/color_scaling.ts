import { cast } from '../ops/cast.js'
import { linear } from '../ops/linear.js'
import { currentDevice, type Device } from '../tensor/device.js'
import { keep, scope } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** How a network of pretrained weights reads pixels of -1..1: (x - shift) / scale, by color. */
export interface ColorScale {
  /** Of red, green and blue. */
  readonly shift: ArrayLike<number>
  /** As `shift`; not 0. */
  readonly scale: ArrayLike<number>
}

/** Scales the pixels of color or gray images for a network of RGB; a gray pixel is all three colors. */
export class ColorScaling {
  /** By the channels of images, 1 or 3: the weight f32 [3, channels] of the map that scales pixels. */
  readonly #weights: ReadonlyMap<number, Tensor>
  /** f32 [3], added after it. */
  readonly #offset: Tensor

  constructor({ shift, scale }: ColorScale, device: Device = currentDevice()) {
    const constant = (values: number[], shape: number[]) =>
      keep(fromArray(Float32Array.from(values), shape, 'f32', device))
    const factors = Array.from(scale, (value) => 1 / value)
    const diagonal = Array.from({ length: 9 }, (_, i) => (i % 4 === 0 ? factors[i / 4]! : 0))
    this.#weights = new Map([
      [1, constant(factors, [3, 1])],
      [3, constant(diagonal, [3, 3])],
    ])
    this.#offset = constant(
      Array.from(scale, (value, i) => -shift[i]! / value),
      [3],
    )
  }

  /** Whether images have channels that it scales. */
  takes(channels: number): boolean {
    return this.#weights.has(channels)
  }

  /** x [N, H, W, C] of -1..1, f32 or bf16, C 1 or 3 -> f32 [N, H, W, 3]. */
  forward(x: Tensor): Tensor {
    return scope(() => linear(cast(x, 'f32'), this.#weights.get(x.size(3))!, this.#offset))
  }

  /** Frees its constants. */
  [Symbol.dispose](): void {
    for (const tensor of [...this.#weights.values(), this.#offset]) tensor.free()
  }
}
