/**
 * DDPM (Ho et al. 2020), the paper's sampler: each step draws from the posterior q(x_s | x_t, x0) between the
 * timesteps t > s, with alpha = abar_t / abar_s:
 *
 *     mean = sqrt(abar_s) (1 - alpha) / (1 - abar_t) x0 + sqrt(alpha) (1 - abar_s) / (1 - abar_t) x_t
 *     variance = (1 - alpha) (1 - abar_s) / (1 - abar_t)
 */
import { trailingTimesteps, type Sampler } from './sampler.js'
import { type NoiseSchedule } from './schedule.js'

/**
 * The paper's sampler: each step draws from the posterior of the step before (Ho et al. 2020), with fresh
 * noise.
 */
export function ddpm(schedule: NoiseSchedule): Sampler {
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const from = schedule.level(t)
        const to = schedule.level(s)
        const alpha = (from.signal / to.signal) ** 2
        const variance = from.sigma ** 2
        return {
          t,
          tNext: s,
          kX: (Math.sqrt(alpha) * to.sigma ** 2) / variance,
          kX0: (to.signal * (1 - alpha)) / variance,
          kPrevious: 0,
          kEps: Math.sqrt(((1 - alpha) * to.sigma ** 2) / variance),
        }
      })
    },
  }
}
