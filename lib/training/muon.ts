import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep, scope } from '../tensor/scope.js'
import { empty, type Tensor, zeros } from '../tensor/tensor.js'
import { AdamWMoments, adamwSchema } from './adamw.js'
import { type MatrixBatch, matrixBatches } from './matrix_batches.js'
import { Optimizer } from './optimizer_step.js'
import { ParameterGroups, rateOf, type StepRates } from './parameter_groups.js'

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
export class Muon extends Optimizer {
  readonly #options: MuonOptions
  readonly #rest: AdamWMoments
  readonly #batches: readonly MatrixBatch[]
  readonly #momentum: Tensor

  readonly #groups: ParameterGroups

  /** `groups`: parameters with settings of their own, see {@link ParameterGroups}. */
  constructor(arena: ParameterArena, options: MuonOptions, groups = new ParameterGroups()) {
    checkArguments('Muon', { arena: [arena, 'arena'], options: [options, 'object'] })
    super(arena, options.clip)
    this.#options = options
    this.#groups = groups
    this.#rest = new AdamWMoments(arena, options, groups, ({ matrixRows }) => !matrixRows)
    this.#batches = matrixBatches(arena)
    const elements = this.#batches.reduce(
      (sum, { starts, rows, columns }) => sum + starts.length * rows * columns,
      0,
    )
    this.#momentum = keep(zeros([elements], 'f32', arena.device))
  }

  /** The matrices' momentum f32, batch by batch; of the rest AdamW's moments; steps taken i32 [1]. */
  override get state(): ReadonlyMap<string, Tensor> {
    return new Map([['momentum', this.#momentum], ...this.#rest.state, ...super.state])
  }

  override rehearse(): void {
    this.#batches.forEach((batch) => scope(() => void workspaceOf(batch, this.arena)))
  }

  /** A learning rate serves matrices and the rest alike. */
  protected override apply(clip: Tensor, steps: Tensor, rates: StepRates): void {
    this.#rest.update(clip, steps, rates)
    let momentum = 0
    for (const batch of this.#batches) {
      scope(() => this.#update(batch, momentum, clip, rates))
      momentum += batch.starts.length * batch.rows * batch.columns
    }
  }

  #update(batch: MatrixBatch, momentum: number, clip: Tensor, rates: StepRates): void {
    const { rows, columns, starts, parameters } = batch
    const { values, rounded, gradients } = this.arena
    const elements = rows * columns
    const workspace = workspaceOf(batch, this.arena)
    starts.forEach((start, i) =>
      native.muon_momentum(
        this.#momentum.view([elements], momentum + i * elements).handle,
        workspace.matrices.view([elements], i * elements).handle,
        gradients.view([elements], start).handle,
        clip.handle,
        this.#options.momentum,
      ),
    )
    const direction = orthogonalize(workspace, this.#options.iterations)
    starts.forEach((start, i) => {
      const group = this.#groups.of(parameters[i]!)
      native.muon_update(
        values.view([elements], start).handle,
        rounded?.view([elements], start).handle,
        direction.view([elements], i * elements).handle,
        clip.handle,
        rateOf(rates, group),
        updateSize * Math.sqrt(Math.max(rows, columns)),
        this.#groups.weightDecay(group, this.#options.weightDecay),
      )
    })
    // Nobody reads the direction: of a product that failed the clip's reader is to hear.
    native.accumulate(clip.view([0]).handle, direction.view([0]).handle)
  }
}

/** All memory that the update of a batch takes. */
interface Workspace {
  /** [B, M, N]: the matrices. */
  matrices: Tensor
  /** [B, M, N]: the next ones. */
  next: Tensor
  /** Three of [B, S, S], S the shorter side. */
  squares: readonly [gram: Tensor, square: Tensor, polynomial: Tensor]
}

function workspaceOf(
  { starts, rows, columns }: MatrixBatch,
  { compute, device }: Pick<ParameterArena, 'compute' | 'device'>,
): Workspace {
  const side = Math.min(rows, columns)
  const make = (M: number, N: number) => empty([starts.length, M, N], compute, device)
  const makeSquare = () => make(side, side)
  return {
    matrices: make(rows, columns),
    next: make(rows, columns),
    squares: [makeSquare(), makeSquare(), makeSquare()],
  }
}

/**
 * Brings the singular values of matrices [B, M, N] of norm 1 to about 0.7..1.3: X <- (a I + b G + c G G) X with G = X X',
 * on the shorter side. They are in the tensor that is returned.
 */
function orthogonalize(
  { matrices, next, squares }: Workspace,
  iterations: MuonOptions['iterations'],
): Tensor {
  const [M, N] = matrices.shape.slice(1) as [number, number]
  const wide = M <= N
  const [gram, square, polynomial] = squares
  let [x, y] = [matrices, next]
  for (const [a, b, c] of polynomials[iterations]) {
    native.matmul(gram.handle, x.handle, x.handle, undefined, !wide, wide)
    native.matmul(square.handle, gram.handle, gram.handle, undefined, false, false)
    native.muon_polynomial(polynomial.handle, gram.handle, square.handle, a, b, c)
    const [left, right] = wide ? [polynomial, x] : [x, polynomial]
    native.matmul(y.handle, left.handle, right.handle, undefined, false, false)
    ;[x, y] = [y, x]
  }
  return x
}
