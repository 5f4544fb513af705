/**
 * Euler's and Heun's methods for the flow's ODE dx / dt = (x - x0) / t, between t > s:
 *
 *     Euler: x_s = x_t + (s - t) (x_t - x0) / t = s / t x_t + (1 - s / t) x0
 *     Heun:  Euler's x_s, then x_s + (t - s) / 2s (x0 at x_s - x0 at x_t)
 *
 * Heun's second line is x_t + (s - t) / 2 (slope at t + slope at s) with x_t put in terms of Euler's x_s. It calls the
 * network twice a step, but once in the last, where s = 0.
 */
import { trailingTimesteps, type Sampler, type SamplerStep } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

const eulerStep = (t: number, s: number): SamplerStep => ({
  t,
  tNext: s,
  kX: s / t,
  kX0: 1 - s / t,
  kPrevious: 0,
  kEps: 0,
})

/** Euler's method (one call of the network a step). */
export function euler(schedule: NoiseSchedule): Sampler {
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => eulerStep(timesteps[i]!, s))
    },
  }
}

/** Heun's method: second order, two calls of the network a step. */
export function heun(schedule: NoiseSchedule): Sampler {
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).flatMap((s, i) => {
        const t = timesteps[i]!
        const half = (t - s) / (2 * s)
        const corrected = { t: s, tNext: s, kX: 1, kX0: half, kPrevious: -half, kEps: 0 }
        return s === 0 ? [eulerStep(t, s)] : [eulerStep(t, s), corrected]
      })
    },
  }
}
