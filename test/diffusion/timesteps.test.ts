import { describe, expect, it } from 'vitest'
import { drawTimesteps, timestepsSchema } from '../../lib/diffusion/timesteps.js'

const options = timestepsSchema.parse({})
const count = 40_000
const free = new Uint8Array(count)
const limited = new Uint8Array(count).fill(1)

describe('drawTimesteps', () => {
  it.each([
    ['1..1000', free, 1000],
    ['1..500 where the noise is limited', limited, 500],
  ])('is uniform over %s', (_, flags, largest) => {
    const counts = new Float64Array(largest + 1)
    for (const t of drawTimesteps(options, flags, 11, 0)) counts[t]!++
    expect(counts[0]).toBe(0)
    const expected = count / largest
    const chiSquare = counts.slice(1).reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    expect(Math.abs(chiSquare - (largest - 1))).toBeLessThan(4 * Math.sqrt(2 * (largest - 1)))
  })

  it('depends on seed, step and image number alone', () => {
    const flags = Uint8Array.of(0, 1, 0, 1, 1)
    const whole = drawTimesteps(options, flags, 3, 17)
    const cut = [
      drawTimesteps(options, flags.slice(0, 2), 3, 17),
      drawTimesteps(options, flags.slice(2), 3, 17, 2),
    ]
    expect(cut.flatMap((part) => Array.from(part))).toEqual(Array.from(whole))
    expect(drawTimesteps(options, flags, 3, 18)).not.toEqual(whole)
    expect(drawTimesteps(options, flags, 4, 17)).not.toEqual(whole)
  })

  it('takes another limit, and leaves a fraction of limited images clean', () => {
    const some = timestepsSchema.parse({ noiseLimit: 300, cleanFraction: 0.25 })
    const draws = drawTimesteps(some, limited, 5, 0)
    const clean = draws.filter((t) => t === 0).length / count
    expect(Math.max(...draws)).toBe(300)
    expect(Math.abs(clean - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / count))
    expect(Math.min(...drawTimesteps(some, free, 5, 0))).toBe(1)
  })
})
