import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep, scope } from '../tensor/scope.js'
import { empty, emptyLike, type Tensor, zeros } from '../tensor/tensor.js'
import { AdamWMoments, adamwSchema } from './adamw.js'
import { type MatrixBatch, matrixBatches } from './matrix_batches.js'
import { type Optimizer, OptimizerStep } from './optimizer_step.js'

/** Muon for the blocks' matrices; AdamW, with the values of the other options, for the rest. */
export const muonSchema = z.strictObject({
  /** Nesterov's, of the matrices' gradients. */
  momentum: z.number().min(0).lt(1).default(0.95),
  /**
   * Of the orthogonalisation. Five bring singular values above a 300th of the matrix's norm near 1, three those above a
   * hundredth: where batches are so small that the iterations take a good part of a step, more steps are worth more.
   */
  iterations: z.literal([3, 5]).default(5),
  ...adamwSchema.shape,
})
/** Muon's settings, defaults filled in. @useDeclaredType */
export type MuonOptions = z.output<typeof muonSchema>

/**
 * The iterations' polynomials a x + b x^3 + c x^5, as [a, b, c]. Five times Jordan's (2024), or three that are each the
 * best for what the one before leaves of 0.01..1 (Amsel et al. 2025, "The Polar Express"), with room for 2% that bf16 may
 * add to a singular value.
 */
const polynomials = {
  3: [
    [7.9347, -22.2581, 15.8015],
    [3.5653, -2.5649, 0.486],
    [2.6091, -1.8631, 0.4099],
  ],
  5: Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315] as const),
} as const

/** The root mean square of an update's elements: about AdamW's (Liu et al. 2025). */
const updateSize = 0.2

/**
 * Muon (Jordan et al. 2024): the update of a matrix is its momentum with all singular values made about 1, by
 * Newton-Schulz iterations. It is multiplied by 0.2 sqrt(max(rows, columns)) (Liu et al. 2025, "Muon is Scalable for
 * LLM Training"), so that AdamW's learning rate and weight decay serve both. Query, key, value, gate and up are
 * matrices of their own, whatever lies fused in memory. The products are computed in the model's compute type; they are
 * about 5 channels / positions of a step's others, so large batches hardly feel them.
 */
export class Muon implements Optimizer {
  readonly #options: MuonOptions
  readonly #step: OptimizerStep
  readonly #rest: AdamWMoments
  readonly #batches: readonly MatrixBatch[]
  readonly #momentum: Tensor
  readonly #arena: ParameterArena

  constructor(arena: ParameterArena, options: MuonOptions) {
    checkArguments('Muon', { arena: [arena, 'arena'], options: [options, 'object'] })
    this.#arena = arena
    this.#options = options
    this.#step = new OptimizerStep(arena, options.clip)
    this.#rest = new AdamWMoments(arena, options, ({ matrixRows }) => !matrixRows)
    this.#batches = matrixBatches(arena)
    this.#momentum = keep(
      zeros([
        this.#batches.reduce((sum, { starts, rows, columns }) => sum + starts.length * rows * columns, 0),
      ]),
    )
  }

  /** The matrices' momentum f32, batch by batch; of the rest AdamW's moments; steps taken i32 [1]. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([['momentum', this.#momentum], ...this.#rest.state, ...this.#step.state])
  }

  step(learningRate: number): Tensor {
    return this.#step.run((clip, steps) => {
      this.#rest.update(clip, steps, learningRate)
      let momentum = 0
      for (const batch of this.#batches) {
        scope(() => this.#update(batch, momentum, clip, learningRate))
        momentum += batch.starts.length * batch.rows * batch.columns
      }
    })
  }

  #update(
    { rows, columns, starts }: MatrixBatch,
    momentum: number,
    clip: Tensor,
    learningRate: number,
  ): void {
    const { compute, values, gradients } = this.#arena
    const elements = rows * columns
    const gathered = empty([starts.length, rows, columns], compute)
    starts.forEach((start, i) =>
      native.muon_momentum(
        this.#momentum.view([elements], momentum + i * elements).handle,
        gathered.view([elements], i * elements).handle,
        gradients.view([elements], start).handle,
        clip.handle,
        this.#options.momentum,
      ),
    )
    const direction = orthogonalize(gathered, this.#options.iterations)
    starts.forEach((start, i) =>
      native.muon_update(
        values.view([elements], start).handle,
        direction.view([elements], i * elements).handle,
        clip.handle,
        learningRate,
        updateSize * Math.sqrt(Math.max(rows, columns)),
        this.#options.weightDecay,
      ),
    )
  }

  /** Frees the moments. */
  [Symbol.dispose](): void {
    for (const tensor of this.state.values()) tensor.free()
  }
}

/**
 * Brings the singular values of matrices [B, M, N] of norm 1 to about 0.7..1.3: X <- (a I + b G + c G G) X with G = X X',
 * on the shorter side.
 */
function orthogonalize(matrices: Tensor, iterations: MuonOptions['iterations']): Tensor {
  const [B, M, N] = matrices.shape as [number, number, number]
  const wide = M <= N
  const side = Math.min(M, N)
  let x = matrices
  for (const [a, b, c] of polynomials[iterations]) {
    x = scope(() => {
      const gram = empty([B, side, side], x.dtype)
      native.matmul(gram.handle, x.handle, x.handle, undefined, !wide, wide)
      const square = emptyLike(gram)
      native.matmul(square.handle, gram.handle, gram.handle, undefined, false, false)
      const polynomial = emptyLike(gram)
      native.muon_polynomial(polynomial.handle, gram.handle, square.handle, a, b, c)
      const next = emptyLike(x)
      const [left, right] = wide ? [polynomial, x] : [x, polynomial]
      native.matmul(next.handle, left.handle, right.handle, undefined, false, false)
      return next
    })
  }
  return x
}
