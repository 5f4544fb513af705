/**
 * Noise schedules: x_t = signal(t) x0 + sigma(t) eps, where t = 0 is the clean image and t = steps is almost
 * pure noise.
 */

export interface NoiseSchedule {
  /** T. */
  readonly steps: number
  /** [T + 1]: factors of the image and of the noise at t = 0 .. T. */
  readonly signal: Float64Array
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
export function cosineSchedule(): NoiseSchedule {
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
  return { steps, signal, sigma }
}

/** The factors at t. Throws a RangeError unless t is an integer in 0 .. T. */
export function noiseLevel(schedule: NoiseSchedule, t: number): { signal: number; sigma: number } {
  const signal = schedule.signal[t]
  const sigma = schedule.sigma[t]
  if (signal === undefined || sigma === undefined) {
    throw new RangeError(`noise schedule: t = ${t} is not an integer in 0..${schedule.steps}`)
  }
  return { signal, sigma }
}
