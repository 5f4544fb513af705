import { describe, expect, it } from 'vitest'
import { kernelDistance } from '../../../lib/evaluation/image_metrics/kid.js'
import { randomArray } from '../../host_array.js'
import { featureSets } from './feature_sets.js'

const width = 3
const set = (count: number, seed: number, shift = 0) => ({
  data: Float32Array.from(randomArray([count, width], seed).data, (value) => value + shift),
  width,
})

describe('kernelDistance', () => {
  it("agrees with NumPy's, and is symmetric", async () => {
    const { a, b, kid } = await featureSets()
    expect(kernelDistance(a, b).kid / kid).toBeCloseTo(1, 12)
    expect(kernelDistance(b, a).kid / kid).toBeCloseTo(1, 12)
  })

  it('is unbiased: around zero between sets of one distribution', () => {
    const distances = Array.from(
      { length: 200 },
      (_, i) => kernelDistance(set(20, 2 * i), set(30, 2 * i + 1)).kid,
    )
    const mean = distances.reduce((sum, value) => sum + value, 0) / distances.length
    const spread = Math.sqrt(distances.reduce((sum, value) => sum + value ** 2, 0) / distances.length)
    expect(Math.abs(mean)).toBeLessThan((3 * spread) / Math.sqrt(distances.length))
    expect(distances.some((value) => value < 0)).toBe(true)
  })

  it('has the standard error that repetitions have', () => {
    const found = Array.from({ length: 100 }, (_, i) =>
      kernelDistance(set(60, 2 * i), set(90, 2 * i + 1, 0.5)),
    )
    const mean = found.reduce((sum, { kid }) => sum + kid, 0) / found.length
    const spread = Math.sqrt(found.reduce((sum, { kid }) => sum + (kid - mean) ** 2, 0) / (found.length - 1))
    const stated = found.reduce((sum, { standardError }) => sum + standardError, 0) / found.length
    // A hundred repetitions tell a deviation to 7%.
    expect(stated / spread).toBeGreaterThan(0.75)
    expect(stated / spread).toBeLessThan(1.25)
  })

  it('refuses sets that cannot be compared', () => {
    expect(() => kernelDistance(set(1, 0), set(5, 1))).toThrow('received [1, 3] and [5, 3]')
    expect(() => kernelDistance(set(4, 0), { data: new Float32Array(4), width: 2 })).toThrow('and [2, 2]')
  })
})
