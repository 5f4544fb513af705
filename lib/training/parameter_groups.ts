import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { ConfigError, parseConfig } from '../config/parse.js'
import { matchingNames, patternsSchema } from '../nn/parameter_patterns.js'
import type { Parameter } from '../nn/parameters.js'
import { type LearningRateOptions, learningRateSchema } from './learning_rate.js'

/** Parameters that are updated with settings of their own, as PyTorch's optimizers have parameter groups. */
export const parameterGroupSchema = z.strictObject({
  /**
   * Which: 'image', those that positions of images alone use, 'text', all others, or names of parameters, in which `*` stands for
   * any characters. A parameter is of the first group that has it.
   */
  parameters: z.union([z.enum(['image', 'text']), patternsSchema]),
  /** What differs from the run's own schedule; `final` follows `peak` in the run's proportion where it is left out. */
  learningRate: z
    .strictObject({
      /** After the warm-up. */
      peak: z.number().positive().optional(),
      /** At the end. */
      final: z.number().min(0).optional(),
      /** Steps of the linear rise from 0. */
      warmupSteps: learningRateSchema.shape.warmupSteps,
    })
    .prefault({}),
  /** Applies to matrices, not to norms and biases; by default the optimizer's. */
  weightDecay: z.number().min(0).optional(),
})
/** Parameters with settings of their own, defaults filled in. @useDeclaredType */
export type ParameterGroupOptions = z.output<typeof parameterGroupSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type ParameterGroupSettings = z.input<typeof parameterGroupSchema>

/** Which parameters a task's words for some of them mean. */
export type ParameterKinds = Readonly<Record<'image' | 'text', (parameter: Parameter) => boolean>>

/** A group's schedule, complete. */
export function groupSchedule(
  { learningRate: own }: ParameterGroupOptions,
  run: LearningRateOptions,
): LearningRateOptions {
  const { peak = run.peak, final = (run.final * peak) / run.peak } = own
  const warmupSteps = own.warmupSteps ?? run.warmupSteps
  return { peak, final, ...(warmupSteps !== undefined && { warmupSteps }) }
}

/** To which group each trained parameter belongs. */
export class ParameterGroups {
  readonly #options: readonly ParameterGroupOptions[]
  readonly #groups = new Map<Parameter, number>()

  /**
   * `kinds`: of tasks that have parameters of text and of images.
   * @throws ConfigError that names the group which no parameter is left for, a pattern that none has, or a word that the task
   *   does not know
   */
  constructor(
    parameters: readonly Parameter[] = [],
    options: readonly ParameterGroupSettings[] = [],
    kinds?: ParameterKinds,
  ) {
    checkArguments('ParameterGroups', { parameters: [parameters, 'array'], groups: [options, 'array'] })
    for (const parameter of parameters)
      checkArguments('ParameterGroups', { 'each of parameters': [parameter, 'parameter'] })
    this.#options = options.map((group, i) => parseConfig(parameterGroupSchema, group, `groups[${i}]`))
    for (const [i, group] of this.#options.entries()) {
      const where = `groups[${i}].parameters`
      const left = chosenBy(group.parameters, parameters, kinds, where).filter(
        (parameter) => !this.#groups.has(parameter),
      )
      if (left.length === 0)
        throw new ConfigError(
          `${where}: no parameter that is trained is of this group; expected one that is neither frozen nor of a group before it`,
        )
      for (const parameter of left) this.#groups.set(parameter, i)
    }
  }

  /** How many there are, beside the run's own settings. */
  get count(): number {
    return this.#options.length
  }

  /** The group's number; undefined: the run's own settings. */
  of(parameter: Parameter): number | undefined {
    return this.#groups.get(parameter)
  }

  /** The decay of a group's matrices. `usual`: the optimizer's. */
  weightDecay(group: number | undefined, usual: number): number {
    return (group === undefined ? undefined : this.#options[group]!.weightDecay) ?? usual
  }
}

/** The learning rates of a step: the run's, and those of its groups. */
export interface StepRates {
  /** Of parameters that are in none. */
  readonly run: number
  /** One for each. */
  readonly groups: readonly number[]
}

export const rateOf = ({ run, groups }: StepRates, group: number | undefined): number =>
  group === undefined ? run : groups[group]!

function chosenBy(
  wanted: ParameterGroupOptions['parameters'],
  parameters: readonly Parameter[],
  kinds: ParameterKinds | undefined,
  where: string,
): readonly Parameter[] {
  if (typeof wanted === 'string') {
    if (!kinds)
      throw new ConfigError(
        `${where}: "${wanted}" is of models of text and images; expected a list of names of parameters`,
      )
    return parameters.filter(kinds[wanted])
  }
  const names = matchingNames(
    parameters.map(({ name }) => name),
    wanted,
    where,
  )
  return parameters.filter(({ name }) => names.has(name))
}
