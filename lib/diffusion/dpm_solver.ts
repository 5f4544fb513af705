import { checkArguments } from '../arguments.js'
import { trailingTimesteps, type Sampler } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

/**
 * DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), for models of the ddpm process: a deterministic multistep solver of second
 * order in x0, with one call of the network a step. From the timestep t, which came after r, to the next, s, with
 * lambda = log(alpha / sigma) and h = lambda_s - lambda_t:
 *
 *     x_s = sigma_s / sigma_t x_t + alpha_s (1 - exp(-h)) (x0 + (x0 - previous x0) h / (2 (lambda_t - lambda_r)))
 *
 * The first step, which has no previous x0, and the last, where lambda is infinite, are of first order, as DDIM's are.
 */
export function dpmSolver(schedule: NoiseSchedule): Sampler {
  checkArguments('dpmSolver', { schedule: [schedule, 'schedule'] })
  const lambda = (t: number) => {
    const { alpha, sigma } = schedule.coefficients(t)
    return Math.log(alpha / sigma)
  }
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const h = lambda(s) - lambda(t)
        const change = schedule.coefficients(s).alpha * -Math.expm1(-h)
        const secondOrder = i > 0 && s > 0 ? h / (lambda(t) - lambda(timesteps[i - 1]!)) / 2 : 0
        return {
          t,
          tNext: s,
          xCoeff: schedule.coefficients(s).sigma / schedule.coefficients(t).sigma,
          x0Coeff: change * (1 + secondOrder),
          previousX0Coeff: secondOrder === 0 ? 0 : -change * secondOrder,
          noiseCoeff: 0,
        }
      })
    },
  }
}
