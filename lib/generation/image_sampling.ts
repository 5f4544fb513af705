import type { Objective, Prediction } from '../diffusion/objective.js'
import { type Denoising, denoiseCoefficients, samplerSteps, type SamplerStep } from '../diffusion/sampler.js'
import { createSampler } from '../diffusion/samplers.js'
import type { NoiseSchedule } from '../diffusion/schedule.js'
import type { GenerationSettings } from './options.js'

/** How images are drawn. */
export interface ImageSampling {
  readonly schedule: NoiseSchedule
  readonly prediction: Prediction
  /** One for each call of the network. */
  readonly steps: readonly SamplerStep[]
  /** Scale of classifier-free guidance; 1 is none. */
  readonly guidance: number
  /** Of t / T: beyond it the scale is 1. */
  readonly guidanceInterval: readonly [number, number]
  /** Whether x0 is clipped to the data's range at every step. */
  readonly clip: boolean
}

/**
 * Throws a RangeError where the sampler does not go with the process that the model was trained with, or one of the user's
 * own has other steps than from T to 0.
 */
export function imageSamplingOf(
  options: Pick<GenerationSettings, 'sampler' | 'steps' | 'guidance' | 'guidanceInterval' | 'clip'>,
  objective: Objective,
): ImageSampling {
  const { sampler, steps, guidance, guidanceInterval, clip } = options
  const chosen = typeof sampler === 'object' ? sampler : createSampler(sampler, objective)
  return {
    schedule: chosen.schedule,
    prediction: objective.prediction,
    steps: samplerSteps(chosen, steps),
    guidance,
    guidanceInterval,
    clip,
  }
}

export const isGuided = ({ guidance }: ImageSampling): boolean => guidance !== 1

/** Whether guidance counts at a step. */
export function isGuidedAt(drawing: ImageSampling, number: number): boolean {
  const { schedule, steps, guidanceInterval } = drawing
  const [least, most] = guidanceInterval
  const { t } = steps[number]!
  return isGuided(drawing) && t >= least * schedule.steps && t <= most * schedule.steps
}

/** What the kernel `denoise` needs to know of one step. */
export function coefficientsOf(drawing: ImageSampling, number: number): Float32Array {
  const { schedule, prediction, guidance } = drawing
  const step = drawing.steps[number]!
  const denoising: Denoising = { step, guidance: isGuidedAt(drawing, number) ? guidance : 1 }
  return denoiseCoefficients(schedule, prediction, [denoising])
}
