/** What every sampler is: the steps from pure noise to an image, as coefficients for the kernel `denoise`. */
import { checkArguments } from '../arguments.js'
import { x0Coefficients, type Prediction } from './objective.js'
import type { NoiseSchedule } from './schedule.js'

/**
 * One call of the network at t and what it makes of x_t:
 *
 *     x_tNext = xCoeff x_t + x0Coeff x0 + previousX0Coeff previousX0 + noiseCoeff eps
 *
 * where x0 is the clean image that the network predicts from x_t, clipped to the data's range, previousX0 that of the step
 * before, and eps fresh noise. Diffusers' schedulers name the coefficients of x_t and x0 `current_sample_coeff` and
 * `pred_original_sample_coeff`.
 */
export interface SamplerStep {
  /** The timestep that the network is called at. */
  readonly t: number
  /** The timestep that the step leads to; t itself where a step corrects the one before (Heun's). */
  readonly tNext: number
  /** Coefficient of x_t. */
  readonly xCoeff: number
  /** Coefficient of the clean image that the network predicts from x_t. */
  readonly x0Coeff: number
  /** Coefficient of the clean image that the network predicted in the step before. */
  readonly previousX0Coeff: number
  /** Coefficient of fresh noise; 0: the step is deterministic. */
  readonly noiseCoeff: number
}

/** How an image is sampled: at which timesteps the network is called, and what each call makes of x_t. */
export interface Sampler {
  /** The schedule that the network was trained with: x0 follows from x_t and the network's prediction by its coefficients. */
  readonly schedule: NoiseSchedule
  /**
   * The calls of the network that lead from T to 0 in `count` steps; most samplers make one call a step, Heun's two.
   * @throws RangeError unless count is an integer in 1 .. T
   */
  steps(count: number): SamplerStep[]
}

/**
 * The count + 1 descending timesteps T, ..., 0, evenly spaced, integers where the schedule has no others. They begin at pure
 * noise ("trailing" in Lin et al. 2023: other spacings begin below T, where the network is never given pure noise in
 * training). Integers are rounded from `numpy.arange(T, 0, -T / count)`, as in diffusers, which for some counts (61, 103,
 * ...: see the test) has one step too many after them, at its -1.
 * @throws RangeError unless count is an integer in 1 .. T
 */
export function trailingTimesteps(schedule: NoiseSchedule, count: number): number[] {
  checkArguments('trailingTimesteps', { schedule: [schedule, 'schedule'] })
  const { steps, continuous } = schedule
  if (!Number.isInteger(count) || count < 1 || count > steps) {
    throw new RangeError(`sampler: steps must be an integer in 1..${steps}, received ${count}`)
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

const coefficientNames = ['xCoeff', 'x0Coeff', 'previousX0Coeff', 'noiseCoeff'] as const

/**
 * The steps of a sampler, which may be a user's own.
 * @throws RangeError unless they lead from at most T down to 0, each beginning at the timestep where the one before ended,
 *   with finite coefficients
 */
export function samplerSteps(sampler: Sampler, count: number): readonly SamplerStep[] {
  const steps = sampler.steps(count)
  if (steps.length === 0)
    throw new RangeError('sampler: steps() must give one step or more, down to t = 0, received none')
  const check = (
    i: number,
    name: keyof SamplerStep,
    isRight: (value: number) => boolean,
    expected: string,
  ) => {
    const value = steps[i]![name]
    if (isRight(value)) return
    const place = `${name} of step ${i + 1} of ${steps.length}`
    throw new RangeError(`sampler: ${place} must be ${expected}, received ${value}`)
  }
  const most = sampler.schedule.steps
  check(0, 't', (t) => t <= most, `at most ${most}`)
  for (const [i, { t }] of steps.entries()) {
    const begin = i === 0 ? t : steps[i - 1]!.tNext
    check(i, 't', () => t === begin, `${begin}, where the step before ends`)
    check(i, 't', () => t > 0, 'above 0')
    check(i, 'tNext', (tNext) => tNext >= 0 && tNext <= t, `in 0..${t}, its t`)
    for (const name of coefficientNames) check(i, name, Number.isFinite, 'a finite number')
  }
  check(steps.length - 1, 'tNext', (tNext) => tNext === 0, '0, the last')
  return steps
}

/** One image's part in a denoising call. */
export interface Denoising {
  readonly step: SamplerStep
  /** Scale of classifier-free guidance (the paper has 5, and 3 in its ablations); 1 is the conditional prediction alone. */
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
      const { fromX, fromPrediction } = x0Coefficients(schedule, prediction, step.t)
      return [
        guidance,
        fromX,
        fromPrediction,
        step.xCoeff,
        step.x0Coeff,
        step.previousX0Coeff,
        step.noiseCoeff,
      ]
    }),
  )
}
