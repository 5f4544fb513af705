import { checkArguments, checkOptions } from '../arguments.js'
import { trailingTimesteps, type Sampler } from './sampler.js'
import { type NoiseSchedule } from './schedule.js'

/**
 * DDIM (Song et al. 2021, equation 12), for models of the ddpm process: one call of the network a step. From the timestep
 * t to the next, s:
 *
 *     x_s = alpha_s x0 + sqrt(sigma_s^2 - d^2) (x_t - alpha_t x0) / sigma_t + d eps
 *     d = eta (sigma_s / sigma_t) sqrt(1 - (alpha_t / alpha_s)^2)
 *
 * `eta` is the noise of a step: 0, the default, is deterministic, 1 is DDPM.
 * @throws RangeError unless eta is in 0 .. 1
 */
export function ddim(schedule: NoiseSchedule, options: { eta?: number } = {}): Sampler {
  checkArguments('ddim', { schedule: [schedule, 'schedule'] })
  checkOptions('ddim', options, { eta: true })
  const { eta = 0 } = options
  if (!(eta >= 0 && eta <= 1))
    throw new RangeError(`ddim: options.eta must be a number in 0..1, received ${eta}`)
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const from = schedule.coefficients(t)
        const to = schedule.coefficients(s)
        const noiseCoeff = eta * (to.sigma / from.sigma) * Math.sqrt(1 - (from.alpha / to.alpha) ** 2)
        const xCoeff = Math.sqrt(to.sigma ** 2 - noiseCoeff ** 2) / from.sigma
        const x0Coeff = to.alpha - xCoeff * from.alpha
        return { t, tNext: s, xCoeff, x0Coeff, previousX0Coeff: 0, noiseCoeff }
      })
    },
  }
}
