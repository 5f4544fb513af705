/** What every sampler is: the steps from pure noise to an image, as coefficients for the kernel `denoise`. */
import { cleanImage, type Prediction } from './objective.js'
import type { NoiseSchedule } from './schedule.js'

/**
 * One call of the network at t and what it makes of x_t:
 *
 *     x_tNext = kX x_t + kX0 x0 + kPrevious previous + kEps eps
 *
 * where x0 is what the network sees in x_t, clipped, `previous` the x0 of the step before, and eps fresh noise.
 */
export interface SamplerStep {
  /** The timestep that the network is called at. */
  readonly t: number
  /** The timestep of what the step makes, below t. */
  readonly tNext: number
  /** Factor of x_t. */
  readonly kX: number
  /** Factor of the clean image that the network sees in x_t. */
  readonly kX0: number
  /** Factor of the clean image of the step before. */
  readonly kPrevious: number
  /** Factor of fresh noise; 0: the step is deterministic. */
  readonly kEps: number
}

/** How an image is drawn: what is made of each call of the network. */
export interface Sampler {
  /** The calls of the network from T to 0 in `count` steps, most samplers' one call a step. Throws a RangeError unless count is an integer in 1 .. T. */
  steps(count: number): SamplerStep[]
}

/**
 * T, ..., 0: count + 1 descending timesteps, whole ones where the schedule has no others, the first at full noise ("trailing" in Lin et al. 2023: other
 * spacings begin below T, where the network is never given pure noise in training).
 */
export function trailingTimesteps(schedule: NoiseSchedule, count: number): number[] {
  if (!Number.isInteger(count) || count < 1 || count > schedule.steps) {
    throw new RangeError(`sampler: ${count} steps, expected an integer in 1..${schedule.steps}`)
  }
  return Array.from({ length: count + 1 }, (_, i) => {
    const t = (schedule.steps * (count - i)) / count
    return schedule.continuous ? t : Math.round(t)
  })
}

/** What an image needs of one denoising call. */
export interface Denoising {
  readonly step: SamplerStep
  /** Guidance scale (the paper has 5, and 3 in its ablations): 1 is the conditional prediction alone. */
  readonly guidance: number
}

/** The argument `coefficients` [N, 7] of the kernel `denoise`. */
export function denoiseCoefficients(
  schedule: NoiseSchedule,
  prediction: Prediction,
  images: readonly Denoising[],
): Float32Array {
  return Float32Array.from(
    images.flatMap(({ step, guidance }) => {
      const { fromX, fromPrediction } = cleanImage(schedule, prediction, step.t)
      return [guidance, fromX, fromPrediction, step.kX, step.kX0, step.kPrevious, step.kEps]
    }),
  )
}
