import type { Objective, Prediction } from '../diffusion/objective.js'
import { type Denoising, denoiseCoefficients, samplerSteps, type SamplerStep } from '../diffusion/sampler.js'
import { createSampler } from '../diffusion/samplers.js'
import type { NoiseSchedule } from '../diffusion/schedule.js'
import type { ValueRange } from '../image/codec.js'
import type { ImageSamplingSettings } from './options.js'

/** How an image is sampled: the steps of its sampler, and guidance. */
export interface ImageSampling {
  readonly schedule: NoiseSchedule
  readonly prediction: Prediction
  /** One for each call of the network. */
  readonly steps: readonly SamplerStep[]
  /** Scale of classifier-free guidance; 1 is none. */
  readonly guidance: number
  /** Shares of T between which guidance applies; at other t the scale is 1. */
  readonly guidanceInterval: readonly [number, number]
  /** The range to which the estimate of the clean image is clipped at every step; undefined: it is not. */
  readonly clip: ValueRange | undefined
  /** How codes are sampled, where images are these. */
  readonly codes: CodeSampling
}

/** How the codes of an image are sampled: temperature, the most likely k, those of a share of the probability. */
export interface CodeSampling {
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  readonly minP: number
}

/**
 * The sampling that these settings ask for; `range`: of the values of an image, if it is known. Throws a RangeError
 * where the sampler does not suit the process that the model was trained with, or where the steps of a sampler of the
 * user's own do not lead from T to 0.
 */
export function imageSamplingOf(
  settings: ImageSamplingSettings,
  objective: Objective,
  range?: ValueRange,
): ImageSampling {
  const { sampler, steps, guidance, guidanceInterval, clip } = settings
  const { imageTemperature: temperature, imageTopK: topK, imageTopP: topP } = settings
  const chosen = typeof sampler === 'object' ? sampler : createSampler(sampler, objective)
  return {
    schedule: chosen.schedule,
    prediction: objective.prediction,
    steps: samplerSteps(chosen, steps),
    guidance,
    guidanceInterval,
    clip: typeof clip === 'object' ? clip : clip ? range : undefined,
    codes: { temperature, topK, topP, minP: 0 },
  }
}

/** Whether guidance applies at any step. */
export const isGuided = ({ guidance }: ImageSampling): boolean => guidance !== 1

/** Whether guidance applies at a step, counted from 0. */
export function isGuidedAt(sampling: ImageSampling, step: number): boolean {
  const { schedule, steps, guidanceInterval } = sampling
  const [least, most] = guidanceInterval
  const { t } = steps[step]!
  return isGuided(sampling) && t >= least * schedule.steps && t <= most * schedule.steps
}

/** The seven coefficients of a step, counted from 0, that the op `denoise` takes. */
export function coefficientsAt(sampling: ImageSampling, step: number): Float32Array {
  const { schedule, prediction, guidance } = sampling
  const denoising: Denoising = {
    step: sampling.steps[step]!,
    guidance: isGuidedAt(sampling, step) ? guidance : 1,
  }
  return denoiseCoefficients(schedule, prediction, [denoising])
}
