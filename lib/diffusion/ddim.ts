/**
 * DDIM (Song et al. 2021) between the timesteps t > s:
 *
 *     x_s = sqrt(abar_s) x0 + sqrt(1 - abar_s - d^2) (x_t - sqrt(abar_t) x0) / sqrt(1 - abar_t) + d eps
 *     d = eta sqrt((1 - abar_s) / (1 - abar_t)) sqrt(1 - abar_t / abar_s)
 *
 * eta = 0 is deterministic, eta = 1 is DDPM.
 */
import { checkArguments } from '../arguments.js'
import { trailingTimesteps, type Sampler } from './sampler.js'
import { type NoiseSchedule } from './schedule.js'

/** Throws a RangeError unless eta is in 0 .. 1. */
export function ddim(schedule: NoiseSchedule, options: { eta?: number } = {}): Sampler {
  checkArguments('ddim', { options: [options, 'options'] })
  const { eta = 0 } = options
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`ddim: eta = ${eta} is not in 0..1`)
  return {
    schedule,
    steps(count) {
      const timesteps = trailingTimesteps(schedule, count)
      return timesteps.slice(1).map((s, i) => {
        const t = timesteps[i]!
        const from = schedule.level(t)
        const to = schedule.level(s)
        const kEps = eta * (to.sigma / from.sigma) * Math.sqrt(1 - (from.signal / to.signal) ** 2)
        const kX = Math.sqrt(to.sigma ** 2 - kEps ** 2) / from.sigma
        return { t, tNext: s, kX, kX0: to.signal - kX * from.signal, kPrevious: 0, kEps }
      })
    },
  }
}
