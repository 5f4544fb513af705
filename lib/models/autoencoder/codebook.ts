import type { Parameter, ParameterList } from '../../nn/parameters.js'
import { cast } from '../../ops/cast.js'
import { concat } from '../../ops/concat.js'
import { embedding } from '../../ops/embedding.js'
import { linear } from '../../ops/linear.js'
import { mul } from '../../ops/mul.js'
import { sum } from '../../ops/reduce.js'
import { reshape } from '../../ops/reshape.js'
import { argmax } from '../../ops/sampling.js'
import { scale } from '../../ops/scale.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'

/** Scores, of positions by codes, that exist at once: 64 MiB. */
const scoresAtOnce = 2 ** 24

/** The codes of a VQ-VAE (van den Oord et al. 2017): K vectors, to the nearest of which each position is rounded. */
export class Codebook {
  /** [K, C]. */
  readonly weight: Parameter

  /** Adds the codes to `list`: K = `codes`, C = `channels`; uniform in taming-transformers, here normal of the same width. */
  constructor(list: ParameterList, codes: number, channels: number) {
    this.weight = list.under('embedding').add('weight', [codes, channels], { std: 1 / codes })
  }

  /**
   * The code nearest to each position, by Euclidean distance, of equally near ones the lowest: z [P, C] -> ids [P] i32. In
   * f32; without a derivative. Reading rejects where z is not finite.
   */
  nearest(z: Tensor): Tensor {
    return scope(() => {
      const [positions, channels] = z.shape as [number, number]
      if (positions === 0) return fromArray(new Int32Array(0))
      const codes = cast(this.weight.tensor, 'f32')
      // |z - e|^2 = |z|^2 - 2 (z . e - |e|^2 / 2): the nearest code has the largest score in the brackets.
      const bias = scale(sum(mul(codes, codes), [1]), -0.5)
      const rows = Math.max(1, Math.floor(scoresAtOnce / codes.size(0)))
      const parts: Tensor[] = []
      for (let first = 0; first < positions; first += rows) {
        const count = Math.min(rows, positions - first)
        parts.push(
          scope(() => {
            const tile = cast(z.view([count, channels], first * channels), 'f32')
            return argmax(linear(tile, codes, bias))
          }),
        )
      }
      return parts.length === 1 ? parts[0]! : concat(parts, 0)
    })
  }

  /** The codes of ids: ids [N, h, w] i32 -> z [N, h, w, C]. Reading rejects where an id is not in 0 .. K - 1. */
  vectors(ids: Tensor): Tensor {
    const rows = embedding(this.weight.tensor, reshape(ids, [-1]))
    return reshape(rows, [...ids.shape, rows.size(1)])
  }
}
