import { describe, expect, it } from 'vitest'
import { sampleTimesteps, timestepsSchema } from '../../lib/diffusion/timesteps.js'

const options = timestepsSchema.parse({})
const whole = { continuous: false }
const count = 40_000
const free = new Uint8Array(count)
const limited = new Uint8Array(count).fill(1)

describe('sampleTimesteps', () => {
  it.each([
    ['1..1000', free, 1000],
    ['1..500 where the noise is limited', limited, 500],
  ])('is uniform over %s', (_, flags, largest) => {
    const counts = new Float64Array(largest + 1)
    for (const t of sampleTimesteps(options, whole, flags, 11, 0)) counts[t]!++
    expect(counts[0]).toBe(0)
    const expected = count / largest
    const chiSquare = counts.slice(1).reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    expect(Math.abs(chiSquare - (largest - 1))).toBeLessThan(4 * Math.sqrt(2 * (largest - 1)))
  })

  it('depends on seed, step and image number alone', () => {
    const flags = Uint8Array.of(0, 1, 0, 1, 1)
    const all = sampleTimesteps(options, whole, flags, 3, 17)
    const cut = [
      sampleTimesteps(options, whole, flags.slice(0, 2), 3, 17),
      sampleTimesteps(options, whole, flags.slice(2), 3, 17, 2),
    ]
    expect(cut.flatMap((part) => Array.from(part))).toEqual(Array.from(all))
    expect(sampleTimesteps(options, whole, flags, 3, 18)).not.toEqual(all)
    expect(sampleTimesteps(options, whole, flags, 4, 17)).not.toEqual(all)
  })

  it('takes another limit, and leaves a fraction of limited images clean', () => {
    const some = timestepsSchema.parse({ noiseLimit: 300, cleanFraction: 0.25 })
    const draws = sampleTimesteps(some, whole, limited, 5, 0)
    const clean = draws.filter((t) => t === 0).length / count
    expect(Math.max(...draws)).toBe(300)
    expect(Math.abs(clean - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / count))
    expect(Math.min(...sampleTimesteps(some, whole, free, 5, 0))).toBe(1)
  })

  it('takes any t where the schedule does', () => {
    const draws = sampleTimesteps(options, { continuous: true }, limited, 5, 0)
    expect(Math.max(...draws)).toBeGreaterThan(499)
    expect(Math.max(...draws)).toBeLessThan(500)
    expect(draws.every((t) => t > 0)).toBe(true)
    expect(draws.filter(Number.isInteger).length).toBeLessThan(10)
  })

  it('draws from a logit-normal distribution: logit(t / T) has its mean and deviation', () => {
    const settings = timestepsSchema.parse({ distribution: { type: 'logitNormal', mean: -0.4, std: 1.2 } })
    const logits = [...sampleTimesteps(settings, { continuous: true }, free, 5, 0)].map((t) =>
      Math.log(t / (1000 - t)),
    )
    const mean = logits.reduce((sum, x) => sum + x, 0) / count
    const variance = logits.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count
    expect(Math.abs(mean + 0.4)).toBeLessThan((4 * 1.2) / Math.sqrt(count))
    expect(Math.abs(Math.sqrt(variance) / 1.2 - 1)).toBeLessThan(4 / Math.sqrt(2 * count))
    const extreme = timestepsSchema.parse({ distribution: { type: 'logitNormal', mean: 60, std: 1 } })
    expect(Math.max(...sampleTimesteps(extreme, whole, free, 5, 0))).toBe(1000)
  })
})
