/** What every sampler is: the steps from pure noise to an image, as coefficients for the kernel `denoise`. */
import { checkArguments } from '../arguments.js'
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
  /** The schedule that the network was trained with: it says how noisy x_t is, and so what x0 the network sees in it. */
  readonly schedule: NoiseSchedule
  /** The calls of the network from T to 0 in `count` steps, most samplers' one call a step. Throws a RangeError unless count is an integer in 1 .. T. */
  steps(count: number): SamplerStep[]
}

/**
 * T, ..., 0: count + 1 descending timesteps, whole ones where the schedule has no others, the first at full noise
 * ("trailing" in Lin et al. 2023: other spacings begin below T, where the network is never given pure noise in training).
 * Whole ones are rounded from `numpy.arange(T, 0, -T / count)`, as in diffusers, which for some counts (61, 103, ...: see
 * the test) has one step too many after them, at its -1.
 */
export function trailingTimesteps(schedule: NoiseSchedule, count: number): number[] {
  checkArguments('trailingTimesteps', { schedule: [schedule, 'schedule'] })
  const { steps, continuous } = schedule
  if (!Number.isInteger(count) || count < 1 || count > steps) {
    throw new RangeError(`sampler: ${count} steps, expected an integer in 1..${steps}`)
  }
  // The distance as NumPy rounds it: where a timestep lies between two integers, its last bit decides.
  const distance = steps - steps / count - steps
  return Array.from({ length: count + 1 }, (_, i) => {
    if (i === count) return 0
    return continuous ? (steps * (count - i)) / count : roundHalfToEven(steps + i * distance)
  })
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

const stepFactors = ['kX', 'kX0', 'kPrevious', 'kEps'] as const

/**
 * The steps of a sampler, which may be a user's own. Throws a RangeError unless they go from at most T down to 0, each from
 * where the one before led, by finite factors.
 */
export function samplerSteps(sampler: Sampler, count: number): readonly SamplerStep[] {
  const steps = sampler.steps(count)
  const problem = (number: number, what: string) =>
    new RangeError(`sampler: step ${number + 1} of ${steps.length} ${what}`)
  if (steps.length === 0)
    throw new RangeError('sampler: it has no steps; expected one or more, down to t = 0')
  const most = sampler.schedule.steps
  let from = steps[0]!.t
  if (!(from <= most)) throw problem(0, `is at t = ${from}, expected at most ${most}`)
  for (const [number, step] of steps.entries()) {
    if (step.t !== from) throw problem(number, `is at t = ${step.t}, expected ${from}`)
    if (!(step.t > 0)) throw problem(number, `is at t = ${step.t}, where nothing is left to denoise`)
    if (!(step.tNext >= 0 && step.tNext <= step.t))
      throw problem(
        number,
        `leads from t = ${step.t} to ${step.tNext}, expected 0 or more, and no more noise`,
      )
    for (const factor of stepFactors)
      if (!Number.isFinite(step[factor]))
        throw problem(number, `has ${factor} = ${step[factor]}, expected a finite number`)
    from = step.tNext
  }
  if (from !== 0) throw problem(steps.length - 1, `leads to t = ${from}, expected 0`)
  return steps
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
