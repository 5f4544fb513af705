import { Linear } from '../../nn/linear.js'
import type { ParameterList } from '../../nn/parameters.js'
import { add } from '../../ops/add.js'
import { cast } from '../../ops/cast.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { patchify, unpatchify } from '../../ops/patchify.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { TransfusionConfig } from './config.js'
import type { AttentionMetadata } from '../../nn/attention_metadata.js'
import {
  addPositions,
  type Computing,
  type EncodedImages,
  type ModelImages,
  type PatchDecoder,
  type PatchEncoder,
} from './patch_coder.js'
import { TimestepEncoder } from './timestep_encoder.js'

/** A linear layer on each patch (paper, section 3). */
export class LinearPatchEncoder implements PatchEncoder {
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

  forward({ values, t }: ModelImages, metadata: AttentionMetadata, { compute }: Computing): EncodedImages {
    const { image } = this.#config
    const patches = cast(patchify(values, metadata.imageSizes, image.patch), compute)
    const timesteps = gatherRows(this.#timestep.forward(t, compute), metadata.patchImage)
    const projected =
      image.timestep === 'before'
        ? this.#projection.forward(add(patches, timesteps))
        : add(this.#projection.forward(patches), timesteps)
    return { vectors: addPositions(projected, metadata, this.#config), skips: [] }
  }
}

/** A linear layer on each vector (paper, section 3). */
export class LinearPatchDecoder implements PatchDecoder {
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

  forward(vectors: Tensor, metadata: AttentionMetadata): Tensor {
    return unpatchify(cast(this.#projection.forward(vectors), 'f32'), metadata.imageSizes, this.#patch)
  }
}
