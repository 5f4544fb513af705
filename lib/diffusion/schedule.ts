/**
 * Noise schedules: x_t = signal(t) x0 + sigma(t) eps, where t = 0 is the clean image and t = steps is almost
 * pure noise.
 */

/** Factors of the image and of the noise. */
export interface NoiseLevel {
  /** Factor of the image. */
  readonly signal: number
  /** Factor of the noise. */
  readonly sigma: number
}

/** How much of the image and how much noise there is at each timestep: x_t = signal x0 + sigma eps. */
export interface NoiseSchedule {
  /** T. */
  readonly steps: number
  /** Whether t may be any number in 0 .. T, or integers alone. */
  readonly continuous: boolean
  /** The factors at t. Throws a RangeError unless t is in 0 .. T, and an integer where the schedule has no others. */
  level(t: number): NoiseLevel
}

/** A schedule of integer timesteps, as tables [T + 1]. */
export interface TabulatedSchedule extends NoiseSchedule {
  /** `[T + 1]`. */
  readonly signal: Float64Array
  /** `[T + 1]`. */
  readonly sigma: Float64Array
}

/** T of the paper. */
export const diffusionSteps = 1000

/**
 * The cosine schedule of Nichol & Dhariwal (2021), variance preserving: signal = sqrt(abar), sigma = sqrt(1 - abar),
 * abar_t = product of 1 - beta, beta = min(1 - f(t) / f(t - 1), 0.999), f(t) = cos((t / T + s) / (1 + s) pi / 2)^2,
 * s = 0.008. As diffusers' squaredcos_cap_v2, whose index i is t = i + 1 here; abar_0 = 1.
 * The cap keeps abar_T above 0, so that an image can be told from predicted noise at every t.
 */
export function cosineSchedule(): TabulatedSchedule {
  const steps = diffusionSteps
  const f = (t: number) => Math.cos(((t / steps + 0.008) / 1.008) * (Math.PI / 2)) ** 2
  const signal = new Float64Array(steps + 1)
  const sigma = new Float64Array(steps + 1)
  let alphaBar = 1
  for (let t = 0; t <= steps; t++) {
    if (t > 0) alphaBar *= 1 - Math.min(1 - f(t) / f(t - 1), 0.999)
    signal[t] = Math.sqrt(alphaBar)
    sigma[t] = Math.sqrt(1 - alphaBar)
  }
  const level = (t: number): NoiseLevel => {
    checkTimestep(t, Number.isInteger(t), 'an integer')
    return { signal: signal[t]!, sigma: sigma[t]! }
  }
  return { steps, continuous: false, signal, sigma, level }
}

/**
 * Rectified flow (Liu et al. 2023): a straight line from the image to the noise, x_t = (1 - t / T) x0 + t / T eps, at
 * any t in 0 .. T. T is that of DDPM, so that the network's embedding of t has one scale.
 */
export function flowSchedule(): NoiseSchedule {
  const steps = diffusionSteps
  const level = (t: number): NoiseLevel => {
    checkTimestep(t, true, 'a number')
    return { signal: 1 - t / steps, sigma: t / steps }
  }
  return { steps, continuous: true, level }
}

function checkTimestep(t: number, allowed: boolean, kind: string): void {
  if (!(allowed && t >= 0 && t <= diffusionSteps))
    throw new RangeError(`noise schedule: t = ${t} is not ${kind} in 0..${diffusionSteps}`)
}
