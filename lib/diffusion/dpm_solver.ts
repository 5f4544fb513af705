/**
 * DPM-Solver++(2M) (Lu et al. 2022): a multistep solver of second order in x0, between the timesteps t > s, with
 * lambda = log(signal / sigma), h = lambda_s - lambda_t and r = (lambda_t - lambda_before) / h:
 *
 *     x_s = sigma_s / sigma_t x_t + signal_s (1 - exp(-h)) (x0 + (x0 - previous) / 2r)
 *
 * The first step and the last, where lambda is infinite, are of first order: DDIM's.
 */
import { trailingTimesteps, type Sampler } from './sampler.js'
import type { NoiseSchedule } from './schedule.js'

/** DPM-Solver++ (2M), deterministic: second order from one call of the network a step. */
export function dpmSolver(schedule: NoiseSchedule): Sampler {
  const lambda = (t: number) => {
    const { signal, sigma } = schedule.level(t)
    return Math.log(signal / sigma)
  }
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const h = lambda(s) - lambda(t)
        const change = schedule.level(s).signal * -Math.expm1(-h)
        const second = i > 0 && s > 0 ? h / (lambda(t) - lambda(timesteps[i - 1]!)) / 2 : 0
        return {
          t,
          tNext: s,
          kX: schedule.level(s).sigma / schedule.level(t).sigma,
          kX0: change * (1 + second),
          kPrevious: second === 0 ? 0 : -change * second,
          kEps: 0,
        }
      })
    },
  }
}
