import { checkArguments } from '../arguments.js'
import { trailingTimesteps, type Sampler, type SamplerStep } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

const eulerStep = (t: number, s: number): SamplerStep => ({
  t,
  tNext: s,
  xCoeff: s / t,
  x0Coeff: 1 - s / t,
  previousX0Coeff: 0,
  noiseCoeff: 0,
})

/**
 * Euler's method for models of the flow process, whose ODE is dx / dt = (x - x0) / t: first order, one call of the network
 * a step. From the timestep t to the next, s:
 *
 *     x_s = x_t + (s - t) (x_t - x0) / t = s / t x_t + (1 - s / t) x0
 */
export function euler(schedule: NoiseSchedule): Sampler {
  checkArguments('euler', { schedule: [schedule, 'schedule'] })
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => eulerStep(timesteps[i]!, s))
    },
  }
}

/**
 * Heun's method for models of the flow process, as Karras et al. 2022, algorithm 1, has it: second order, two calls of the
 * network a step, but one in the last, where s = 0. From the timestep t to the next, s, Euler's x_s and its correction:
 *
 *     x_s + (t - s) / 2s (x0 at x_s - x0 at x_t)
 *
 * This is x_t + (s - t) / 2 (slope at t + slope at s) with x_t put in terms of Euler's x_s.
 */
export function heun(schedule: NoiseSchedule): Sampler {
  checkArguments('heun', { schedule: [schedule, 'schedule'] })
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).flatMap((s, i) => {
        const t = timesteps[i]!
        const half = (t - s) / (2 * s)
        const corrected = { t: s, tNext: s, xCoeff: 1, x0Coeff: half, previousX0Coeff: -half, noiseCoeff: 0 }
        return s === 0 ? [eulerStep(t, s)] : [eulerStep(t, s), corrected]
      })
    },
  }
}
