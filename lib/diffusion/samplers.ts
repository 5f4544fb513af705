/** The samplers by name, for configs and options. */
import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { ddim } from './ddim.js'
import { ddpm } from './ddpm.js'
import { dpmSolver } from './dpm_solver.js'
import { euler, heun } from './euler.js'
import { type Objective, scheduleOf } from './objective.js'
import type { Sampler } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

export const samplerSchema = z.enum(['ddpm', 'ddim', 'dpmpp', 'euler', 'heun'])
/** ddpm, ddim and dpmpp (DPM-Solver++ 2M) for models of the ddpm process, euler and heun for flow. @useDeclaredType */
export type SamplerName = z.infer<typeof samplerSchema>

const samplers: Record<
  SamplerName,
  { process: Objective['process']; create: (schedule: NoiseSchedule) => Sampler }
> = {
  ddpm: { process: 'ddpm', create: ddpm },
  ddim: { process: 'ddpm', create: (schedule) => ddim(schedule) },
  dpmpp: { process: 'ddpm', create: dpmSolver },
  euler: { process: 'flow', create: euler },
  heun: { process: 'flow', create: heun },
}

/** The names of the samplers for models that were trained with a process, its default first. */
export const samplersFor = (process: Objective['process']): SamplerName[] =>
  samplerSchema.options.filter((name) => samplers[name].process === process)

/**
 * The sampler of this name, for the process that the model was trained with; by default DDPM's, the paper's, and for flow
 * Euler's.
 * @throws RangeError where the sampler is for the other process
 */
export function createSampler(name: SamplerName | undefined, objective: Pick<Objective, 'process'>): Sampler {
  checkArguments('createSampler', { objective: [objective, 'object'] })
  const { process } = objective
  const fitting = samplersFor(process)
  const chosen = name ?? fitting[0]!
  if (!fitting.includes(chosen))
    throw new RangeError(
      `sampler: name must be ${fitting.join(', ')} for a model that was trained with ${process}, received ${chosen}`,
    )
  return samplers[chosen].create(scheduleOf({ process }))
}
