import { describe, expect, it } from 'vitest'
import type { Features } from '../../../lib/evaluation/image_metrics/features.js'
import { frechetDistance, momentsOf } from '../../../lib/evaluation/image_metrics/frechet.js'
import { featureSets } from './feature_sets.js'

const distance = (a: Features, b: Features) => frechetDistance(momentsOf(a), momentsOf(b))

describe('frechetDistance', () => {
  it("agrees with SciPy's matrix square root", async () => {
    const { a, b, frechet } = await featureSets()
    expect(distance(a, b)).toBeCloseTo(frechet, 9)
    expect(distance(b, a)).toBeCloseTo(frechet, 9)
  })

  it('is zero between a set and itself', async () => {
    const { a } = await featureSets()
    expect(distance(a, a)).toBeCloseTo(0, 9)
  })

  it('is the squared distance of the means between sets of one shape', async () => {
    const { a } = await featureSets()
    const moved = { ...a, data: a.data.map((value) => value + 0.5) }
    expect(distance(a, moved)).toBeCloseTo(24 * 0.25, 4)
  })

  it('takes sets with fewer vectors than features', () => {
    // Along one axis only: (0, 0), (2, 0) against (0, 0), (4, 0): means 1 and 2, variances 2 and 8.
    const a = { data: Float32Array.of(0, 0, 2, 0), width: 2 }
    const b = { data: Float32Array.of(0, 0, 4, 0), width: 2 }
    expect(distance(a, b)).toBeCloseTo(1 + 2 + 8 - 2 * 4, 12)
  })

  it('refuses a single vector', () => {
    expect(() => momentsOf({ data: new Float32Array(3), width: 3 })).toThrow('two vectors or more')
  })
})
