import { noGrad } from '../autograd/tape.js'
import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { withDevice } from '../tensor/device.js'
import { keep } from '../tensor/scope.js'
import { empty, type Tensor } from '../tensor/tensor.js'
import { checkCompanions, companionOptimizer } from './companions.js'
import { type Passes, readAndFree } from './loss_terms.js'
import { createOptimizer, type OptimizerOptions } from './optimizer.js'
import type { Optimizer } from './optimizer_step.js'
import { type ParameterGroupOptions, ParameterGroups, type StepRates } from './parameter_groups.js'
import type { StepReport } from './step_report.js'
import type { TrainingTask, UpdatedStep } from './task.js'

/** What an update tells of each network's gradients: f32 [3], see `Optimizer.step`. */
export interface Clips {
  readonly model: Tensor
  /** Of the companions that the step trains. */
  readonly companions: Readonly<Record<string, Tensor>>
}

interface Network {
  readonly arena: ParameterArena
  readonly optimizer: Optimizer
}

interface TrainedCompanion extends Network {
  readonly name: string
  /** Factor of the learning rate. */
  readonly rate: number
  /** Its parameters by name: views of the arena's values. */
  readonly weights: ReadonlyMap<string, Tensor>
}

/**
 * The networks that a task's steps train, the model and its companions, with their optimizers, and what else an update
 * changes. An update is of all of them or of none: where one network's gradients are not finite, all stay as they were, for
 * their losses depend on each other (our choice).
 */
export class TrainedNetworks {
  readonly #task: TrainingTask
  readonly #model: Network
  readonly #companions: readonly TrainedCompanion[]

  /** `options`: of the model's optimizer, `groups` of parameters with settings of their own. Throws where companions or state are not what they must be. */
  constructor(task: TrainingTask, options: OptimizerOptions, groups: readonly ParameterGroupOptions[]) {
    checkCompanions(task)
    this.#task = task
    const { arena, parameterKinds } = task
    const grouped = new ParameterGroups(arena.parameters, groups, parameterKinds)
    this.#model = { arena, optimizer: createOptimizer(arena, options, grouped) }
    this.#companions = (task.companions ?? []).map((companion) => {
      const { name, arena, learningRate: rate = 1 } = companion
      const weights = arena.parameters.map((parameter): [string, Tensor] => [
        parameter.name,
        keep(arena.valuesOf(parameter)),
      ])
      const optimizer = createOptimizer(arena, companionOptimizer(companion))
      return { name, arena, optimizer, rate, weights: new Map(weights) }
    })
  }

  get #all(): readonly Network[] {
    return [this.#model, ...this.#companions]
  }

  /** The names of the companions. */
  get companions(): readonly string[] {
    return this.#companions.map(({ name }) => name)
  }

  /** What a checkpoint holds of them, but for the model's weights. */
  get tensors(): Map<string, Tensor> {
    const under = (prefix: string, tensors: Iterable<[string, Tensor]>) =>
      [...tensors].map(([name, tensor]): [string, Tensor] => [`${prefix}.${name}`, tensor])
    return new Map([
      ...under('optimizer', this.#model.optimizer.state),
      ...this.#companions.flatMap(({ name, weights, optimizer }) => [
        ...under(`companions.${name}.weights`, weights),
        ...under(`companions.${name}.optimizer`, optimizer.state),
      ]),
      ...under('state', this.#task.state ?? []),
    ])
  }

  /** False where an update has changed some of the weights alone. */
  get consistent(): boolean {
    return this.#all.every(({ arena }) => arena.consistent)
  }

  zeroGradients(): void {
    for (const { arena } of this.#all) arena.zeroGradients()
  }

  /** To be called before values are changed, by default those of all networks. */
  changing(networks = this.#all): void {
    for (const { arena } of networks) arena.changing()
  }

  /**
   * To be called after the values were changed: zeroes the gradients, which were of the values before. `rounded`: see
   * `ParameterArena.updated`.
   */
  updated(networks = this.#all, { rounded = false } = {}): void {
    for (const { arena } of networks) {
      arena.zeroGradients()
      arena.updated({ rounded })
    }
  }

  /**
   * Enqueues a step's update, in a scope, and zeroes the gradients. The companions that have a loss in `passes` are updated
   * with the model. `average`: that of the model's weights, which the task may change, too.
   * @throws Error where memory is out, with nothing changed; after any other error see `consistent`
   */
  update(rates: StepRates, passes: readonly Passes[], average: Tensor | undefined): Clips {
    const companions = this.#companions.filter(({ name }) =>
      passes.some(({ companions }) => companions.includes(name)),
    )
    const networks: readonly Network[] = [this.#model, ...companions]
    const changed = this.#task.afterUpdate ? this.#all : networks
    const clips = networks.map(({ optimizer }) => optimizer.measure())
    join(clips)
    const heard = this.#task.afterUpdate && empty([0], 'f32', this.#model.arena.device)
    for (const { optimizer } of networks) optimizer.rehearse()
    this.changing(changed)
    const [model, ...others] = clips as [Tensor, ...Tensor[]]
    this.#model.optimizer.update(model, rates)
    companions.forEach(({ optimizer, rate }, i) =>
      optimizer.update(others[i]!, { run: rate * rates.run, groups: [] }),
    )
    if (heard) {
      const observed = passes.map((pass) => pass.observed)
      this.#afterUpdate({ taken: model.view([1], 2), observed, average })
      this.#reportFailures(model, heard, average)
    }
    // The optimizers have rounded what they updated, not what the task has changed since.
    this.updated(changed, { rounded: !this.#task.afterUpdate })
    return { model, companions: Object.fromEntries(companions.map(({ name }, i) => [name, others[i]!])) }
  }

  #afterUpdate(step: UpdatedStep): void {
    withDevice(this.#model.arena.device, () => noGrad(() => this.#task.afterUpdate!(step)))
  }

  /** Nobody reads what the task has changed: of its ops that failed, the clip's reader is to hear. */
  #reportFailures(clip: Tensor, heard: Tensor, average: Tensor | undefined): void {
    const values = this.#all.map(({ arena }) => arena.values)
    const changed = [...values, ...(average ? [average] : []), ...(this.#task.state?.values() ?? [])]
    for (const tensor of changed) {
      native.cast(heard.handle, tensor.view([0]).handle)
      native.accumulate(clip.view([0]).handle, heard.handle)
    }
  }

  /** Whether as many steps were taken on the device. Rejects where it cannot say. */
  async hasTaken(steps: number): Promise<boolean> {
    // The first of an update's kernels, which all run or none.
    const [taken] = await this.#model.optimizer.state.get('steps')!.readInts()
    return taken === steps
  }

  /** Frees the optimizers; the networks stay. */
  [Symbol.dispose](): void {
    for (const { optimizer } of this.#all) optimizer[Symbol.dispose]()
    for (const { weights } of this.#companions) for (const tensor of weights.values()) tensor.free()
  }
}

/** Makes each clip's third value 1 where all are, else 0, and lets a failure of one be one of all. */
function join(clips: readonly Tensor[]): void {
  if (clips.length === 1) return
  const flags = clips.map((clip) => clip.view([1], 2))
  const taken = flags.reduce((all, flag) => {
    const both = empty([1], 'f32', flag.device)
    native.mul(both.handle, all.handle, flag.handle)
    return both
  })
  for (const flag of flags) native.cast(flag.handle, taken.handle)
}

/** What the device says of a step's gradients, in reports. */
export type GradientNorms = Pick<StepReport, 'gradientNorm' | 'companionNorms' | 'applied'>

/** Reads and frees an update's clips; the reads are enqueued at the call. */
export async function readClips({ model, companions }: Clips): Promise<GradientNorms> {
  const names = Object.keys(companions)
  const [ofModel, ...others] = await Promise.all([model, ...Object.values(companions)].map(readAndFree))
  const [gradientNorm, , taken] = ofModel!
  return {
    gradientNorm: gradientNorm!,
    ...(names.length > 0 && {
      companionNorms: Object.fromEntries(names.map((name, i) => [name, others[i]![0]!])),
    }),
    applied: taken === 1,
  }
}
