import type { ComputeType } from '../../nn/arena.js'
import { Linear } from '../../nn/linear.js'
import type { ParameterList } from '../../nn/parameters.js'
import { add } from '../../ops/add.js'
import { cast } from '../../ops/cast.js'
import { concat } from '../../ops/concat.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { patchify, unpatchify } from '../../ops/patchify.js'
import { silu } from '../../ops/silu.js'
import { timestepEmbedding } from '../../ops/timestep_embedding.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { TransfusionConfig } from './config.js'
import type { DeviceLayout } from './device_layout.js'

/** Images as the model reads them. */
export interface ModelImages {
  /** [S, image channels] f32: the pixels of all images, noised to t. */
  pixels: Tensor
  /** [N] f32: the timestep of each image, 0 .. T. */
  t: Tensor
}

/** A timestep as a vector: a sinusoidal embedding through two linear layers with SiLU between (our choice). */
class TimestepEncoder {
  readonly #inner: Linear
  readonly #outer: Linear

  constructor(
    list: ParameterList,
    readonly channels: number,
    outputs: number,
  ) {
    this.#inner = new Linear(list.under('inner'), channels, channels, { bias: true })
    this.#outer = new Linear(list.under('outer'), channels, outputs, { bias: true })
  }

  /** t [N] -> [N, outputs] */
  forward(t: Tensor, compute: ComputeType): Tensor {
    const embedded = cast(timestepEmbedding(t, this.channels), compute)
    return this.#outer.forward(silu(this.#inner.forward(embedded)))
  }
}

/** Noisy pixels -> one vector of the transformer for each patch: a linear layer (paper, section 3). */
export class LinearPatchEncoder {
  readonly #config: TransfusionConfig
  readonly #projection: Linear
  readonly #timestep: TimestepEncoder

  constructor(list: ParameterList, config: TransfusionConfig) {
    const { channels, image } = config
    const values = image.patch ** 2 * image.channels
    this.#config = config
    this.#projection = new Linear(list.under('projection'), values, channels, { bias: true })
    const timestepOutputs = image.timestep === 'before' ? values : channels
    this.#timestep = new TimestepEncoder(list.under('timestep'), channels, timestepOutputs)
  }

  /** -> [P, C] */
  forward({ pixels, t }: ModelImages, layout: DeviceLayout, compute: ComputeType): Tensor {
    const { image, channels } = this.#config
    const patches = cast(patchify(pixels, layout.imageSizes, image.patch), compute)
    const timesteps = gatherRows(this.#timestep.forward(t, compute), layout.patchImage)
    const projected =
      image.timestep === 'before'
        ? this.#projection.forward(add(patches, timesteps))
        : add(this.#projection.forward(patches), timesteps)
    if (image.positions === 'rotary') return projected
    const place = [layout.patchRow, layout.patchColumn].map((p) => timestepEmbedding(p, channels / 2))
    return add(projected, cast(concat(place, 1), compute))
  }
}

/** Vectors of the transformer -> what the network says of each pixel: a linear layer (paper, section 3). */
export class LinearPatchDecoder {
  readonly #patch: number
  readonly #projection: Linear

  constructor(list: ParameterList, { channels, image }: TransfusionConfig) {
    this.#patch = image.patch
    const values = image.patch ** 2 * image.channels
    // From zero: the first predictions are zero rather than noise of their own (our choice).
    this.#projection = new Linear(list.under('projection'), channels, values, {
      bias: true,
      initial: { value: 0 },
    })
  }

  /** vectors [P, C] -> [S, image channels] f32 */
  forward(vectors: Tensor, layout: DeviceLayout): Tensor {
    return unpatchify(cast(this.#projection.forward(vectors), 'f32'), layout.imageSizes, this.#patch)
  }
}
