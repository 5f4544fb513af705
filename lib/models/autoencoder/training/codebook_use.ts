import { checkOptions, wrongArgument } from '../../../arguments.js'
import { native } from '../../../native.js'
import type { ParameterArena } from '../../../nn/arena.js'
import { cast } from '../../../ops/cast.js'
import { codeUsage } from '../../../ops/code_usage.js'
import { reshape } from '../../../ops/reshape.js'
import { scale } from '../../../ops/scale.js'
import { scatterAddRows } from '../../../ops/scatter_rows.js'
import { keep } from '../../../tensor/scope.js'
import { empty, fromArray, full, type Tensor, zeros } from '../../../tensor/tensor.js'
import type { UpdatedStep } from '../../../training/task.js'
import type { Codebook } from '../codebook.js'
import { detached, type Quantized } from './quantization.js'

/** The moving count of a code's uses forgets e^-1 of them in a hundred steps: our choice. */
const decay = 0.99
/** What is left of one use after a hundred steps. */
const leastRecent = decay ** 100

/** How the codes of a VQ-VAE are kept in use. */
export interface CodebookUseOptions {
  /**
   * Steps after which a code that no vector was rounded to begins anew, as a vector of the step's first micro-batch;
   * undefined: never, and the codes begin as the arena was initialized.
   */
  restartAfter?: number | undefined
}

/**
 * What a VQ-VAE's codes are used for while it is trained: metrics, and restarts of dead codes (Williams et al. 2020;
 * Dhariwal et al. 2020), without which a codebook may collapse to a few codes that all vectors are nearest to. A code that was
 * not used for `restartAfter` steps becomes a vector of the step's first micro-batch, drawn by its seeds, and so does the
 * code's moving average where the run keeps one. At the beginning every code counts as unused for long: the first step
 * replaces all that it did not use, so that codes begin as vectors of the first batch (our choices). The optimizer's
 * moments of a restarted code stay: without gradients for as many steps they have decayed to nothing.
 *
 * Its tensors are a task's `state`; a step that is not taken changes none of them.
 */
export class CodebookUse {
  readonly #codebook: Codebook
  readonly #arena: ParameterArena
  readonly #restartAfter: number
  /** i32 [K]: steps since a code was used. */
  readonly #unused: Tensor
  /** f32 [K]: a moving count of its uses. */
  readonly #recent: Tensor
  /** i32 [K]: the vectors that codes become in a step, memory that `afterUpdate` need not ask for. */
  readonly #rows: Tensor

  /**
   * `codebook`: of a network whose parameters lie in `arena`.
   * @throws TypeError unless restartAfter is 1 or more steps
   */
  constructor(codebook: Codebook, arena: ParameterArena, options: CodebookUseOptions = {}) {
    checkOptions('CodebookUse', options, { restartAfter: true })
    const { restartAfter } = options
    if (restartAfter !== undefined && !(Number.isInteger(restartAfter) && restartAfter >= 1))
      throw wrongArgument('CodebookUse', 'restartAfter', 'a number of steps, 1 or more', restartAfter)
    const codes = codebook.weight.shape[0]!
    this.#codebook = codebook
    this.#arena = arena
    // Counts of steps end below it.
    this.#restartAfter = restartAfter ?? 2 ** 31
    const { device } = arena
    const steps = new Int32Array(codes).fill(restartAfter === undefined ? 0 : restartAfter - 1)
    this.#unused = keep(fromArray(steps, [codes], 'i32', device))
    this.#recent = keep(zeros([codes], 'f32', device))
    this.#rows = keep(empty([codes], 'i32', device))
  }

  /** What checkpoints keep, for `TrainingTask.state`. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([
      ['codes.unused', this.#unused],
      ['codes.recent', this.#recent],
    ])
  }

  /**
   * Of a micro-batch, whose vectors before rounding are `z`: `observed` for `TaskLoss.observed`, and terms of one element.
   * `seeds` [.., 4] i32: by which restarts are drawn, the first row of the step's first micro-batch. `share`: of the
   * micro-batch in its step, by which terms are multiplied, so that a step reports their means over its micro-batches.
   */
  observe(z: Tensor, { ids }: Quantized, seeds: Tensor, share: number) {
    const counts = this.#count(ids)
    const batch = codeUsage(counts)
    const recent = codeUsage(this.#recent, leastRecent)
    const term = (value: Tensor) => scale(value, share)
    return {
      terms: {
        /** Codes that a vector of the micro-batch was rounded to. */
        codes_used: term(batch.used),
        /** exp of the entropy of their shares. */
        perplexity: term(batch.perplexity),
        /** The same of the moving count over some hundred steps, this one not counted. */
        recent_codes_used: term(recent.used),
        recent_perplexity: term(recent.perplexity),
      },
      observed: { codeCounts: counts, vectors: vectorsOf(z), codeSeeds: detached(seeds) },
    }
  }

  /** Counts the step's uses and restarts dead codes: for `TrainingTask.afterUpdate`. Takes no memory. */
  afterUpdate({ taken, observed, average }: UpdatedStep): void {
    const [first, ...others] = observed as readonly ReturnType<CodebookUse['observe']>['observed'][]
    const { codeCounts: counts, vectors, codeSeeds: seeds } = first!
    for (const { codeCounts } of others) native.accumulate(counts.handle, codeCounts.handle)
    native.restart_codes(
      this.#unused.handle,
      this.#recent.handle,
      this.#rows.handle,
      counts.handle,
      taken.handle,
      seeds.handle,
      vectors.size(0),
      this.#restartAfter,
      decay,
    )
    const { weight } = this.#codebook
    const start = this.#arena.startOf(weight)
    for (const values of [this.#arena.values, average])
      if (values)
        native.replace_rows(values.view(weight.shape, start).handle, vectors.handle, this.#rows.handle)
  }

  /** [K] f32: how often each code is among the ids. */
  #count(ids: Tensor): Tensor {
    const codes = this.#codebook.weight.shape[0]!
    const counts = scatterAddRows(zeros([codes, 1]), full([ids.elements, 1], 1), reshape(ids, [-1]))
    return reshape(counts, [codes])
  }

  /** Frees its state. */
  [Symbol.dispose](): void {
    for (const tensor of [this.#unused, this.#recent, this.#rows]) tensor.free()
  }
}

/** [P, C] f32, on no tape. */
function vectorsOf(z: Tensor): Tensor {
  const rows = detached(z).view([z.elements / z.size(-1), z.size(-1)])
  return z.dtype === 'f32' ? rows : cast(rows, 'f32')
}
