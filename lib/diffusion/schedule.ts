/** Noise schedules: x_t = alpha_t x0 + sigma_t eps, where t = 0 is the clean image and t = T is almost pure noise. */

/** How x_t is mixed: x_t = alpha x0 + sigma eps. */
export interface NoiseCoefficients {
  /** Coefficient of the image: diffusers' `alphas_cumprod ** 0.5`. */
  readonly alpha: number
  /** Coefficient of the noise: diffusers' `(1 - alphas_cumprod) ** 0.5`. */
  readonly sigma: number
}

/** How much of the image and how much noise x_t has at each timestep: x_t = alpha_t x0 + sigma_t eps. */
export interface NoiseSchedule {
  /** T, the number of timesteps above 0. */
  readonly steps: number
  /** Whether t may be any number in 0 .. T; otherwise it is an integer. */
  readonly continuous: boolean
  /**
   * The coefficients at t.
   * @throws RangeError unless t is in 0 .. T, and an integer where the schedule has no others
   */
  coefficients(t: number): NoiseCoefficients
}

/** A schedule of integer timesteps, as tables [T + 1]. */
export interface TabulatedSchedule extends NoiseSchedule {
  /** alpha_t by t, `[T + 1]`. */
  readonly alphas: Float64Array
  /** sigma_t by t, `[T + 1]`. */
  readonly sigmas: Float64Array
}

/** T of the paper. */
export const diffusionSteps = 1000

/**
 * The cosine schedule of Nichol & Dhariwal (2021), the paper's; variance preserving: alpha_t = sqrt(abar_t) and
 * sigma_t = sqrt(1 - abar_t), where abar_t is the product of 1 - beta up to t, with abar_0 = 1, s = 0.008 and
 *
 *     beta = min(1 - f(t) / f(t - 1), 0.999)        f(t) = cos((t / T + s) / (1 + s) pi / 2)^2
 *
 * It is diffusers' squaredcos_cap_v2, whose index i is t = i + 1 here. The cap keeps abar_T above 0, so that x0 follows
 * from predicted noise at every t.
 */
export function cosineSchedule(): TabulatedSchedule {
  const steps = diffusionSteps
  const f = (t: number) => Math.cos(((t / steps + 0.008) / 1.008) * (Math.PI / 2)) ** 2
  const alphas = new Float64Array(steps + 1)
  const sigmas = new Float64Array(steps + 1)
  let alphaBar = 1
  for (let t = 0; t <= steps; t++) {
    if (t > 0) alphaBar *= 1 - Math.min(1 - f(t) / f(t - 1), 0.999)
    alphas[t] = Math.sqrt(alphaBar)
    sigmas[t] = Math.sqrt(1 - alphaBar)
  }
  const coefficients = (t: number): NoiseCoefficients => {
    checkTimestep(t, Number.isInteger(t), 'an integer')
    return { alpha: alphas[t]!, sigma: sigmas[t]! }
  }
  return { steps, continuous: false, alphas, sigmas, coefficients }
}

/**
 * Rectified flow (Liu et al. 2023): a straight line from the image to the noise, x_t = (1 - t / T) x0 + t / T eps, at
 * any t in 0 .. T. T is that of DDPM, so that the network's embedding of t has one scale.
 */
export function flowSchedule(): NoiseSchedule {
  const steps = diffusionSteps
  const coefficients = (t: number): NoiseCoefficients => {
    checkTimestep(t, true, 'a number')
    return { alpha: 1 - t / steps, sigma: t / steps }
  }
  return { steps, continuous: true, coefficients }
}

function checkTimestep(t: number, allowed: boolean, kind: string): void {
  if (!(allowed && t >= 0 && t <= diffusionSteps))
    throw new RangeError(`noise schedule: t must be ${kind} in 0..${diffusionSteps}, received ${t}`)
}
