/** The samplers by name, for configs and options. */
import { z } from 'zod'
import { ddim } from './ddim.js'
import { ddpm } from './ddpm.js'
import type { Sampler } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

export const samplerSchema = z.enum(['ddpm', 'ddim'])
export type SamplerName = z.infer<typeof samplerSchema>

const samplers: Record<SamplerName, (schedule: NoiseSchedule) => Sampler> = { ddpm, ddim }

export function createSampler(name: SamplerName, schedule: NoiseSchedule): Sampler {
  return samplers[name](schedule)
}
