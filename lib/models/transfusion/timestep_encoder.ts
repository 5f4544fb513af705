import type { ComputeType } from '../../nn/arena.js'
import { Linear } from '../../nn/linear.js'
import type { ParameterList } from '../../nn/parameters.js'
import { cast } from '../../ops/cast.js'
import { silu } from '../../ops/silu.js'
import { timestepEmbedding } from '../../ops/timestep_embedding.js'
import type { Tensor } from '../../tensor/tensor.js'

/** A timestep as a vector: a sinusoidal embedding through two linear layers with SiLU between (our choice). */
export class TimestepEncoder {
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
