import { checkArguments } from '../arguments.js'
import { trailingTimesteps, type Sampler } from './sampler.js'
import { type NoiseSchedule } from './schedule.js'

/**
 * DDPM (Ho et al. 2020, equation 7), the paper's sampler, for models of the ddpm process: one call of the network a step.
 * Each step samples from the posterior q(x_s | x_t, x0) of the timestep t and the next, s. With a = (alpha_t / alpha_s)^2,
 * which is 1 - beta where s = t - 1:
 *
 *     mean = alpha_s (1 - a) / sigma_t^2 x0 + sqrt(a) sigma_s^2 / sigma_t^2 x_t
 *     variance = (1 - a) sigma_s^2 / sigma_t^2
 */
export function ddpm(schedule: NoiseSchedule): Sampler {
  checkArguments('ddpm', { schedule: [schedule, 'schedule'] })
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const from = schedule.coefficients(t)
        const to = schedule.coefficients(s)
        const a = (from.alpha / to.alpha) ** 2
        const variance = from.sigma ** 2
        return {
          t,
          tNext: s,
          xCoeff: (Math.sqrt(a) * to.sigma ** 2) / variance,
          x0Coeff: (to.alpha * (1 - a)) / variance,
          previousX0Coeff: 0,
          noiseCoeff: Math.sqrt(((1 - a) * to.sigma ** 2) / variance),
        }
      })
    },
  }
}
