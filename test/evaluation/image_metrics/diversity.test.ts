import { expect, it } from 'vitest'
import { diversity } from '../../../lib/evaluation/image_metrics/diversity.js'

// Two classes of two vectors each: the given distance apart within a class, far apart between classes.
const set = (distance: number) => ({
  features: { data: Float32Array.of(0, 0, 0, distance, 100, 0, 100 + distance, 0), width: 2 },
  labels: Int32Array.of(0, 0, 1, 1),
})

it('compares distances within the classes alone', () => {
  expect(diversity(set(3), set(4))).toBeCloseTo(0.75, 6)
  expect(diversity(set(0), set(4))).toBe(0)
  expect(diversity(set(4), set(4))).toBe(1)
})

it('averages over all pairs of a class', () => {
  // Distances 1, 3 and 2 between three vectors on a line: their mean is 2.
  const line = { features: { data: Float32Array.of(0, 1, 3), width: 1 }, labels: Int32Array.of(5, 5, 5) }
  const pair = { features: { data: Float32Array.of(0, 4), width: 1 }, labels: Int32Array.of(5, 5) }
  expect(diversity(line, pair)).toBeCloseTo(0.5, 12)
})

it('leaves out classes of which fewer than two were generated', () => {
  const { features } = set(3)
  const real = set(4)
  expect(diversity({ features, labels: Int32Array.of(0, 0, 1, 2) }, real)).toBeCloseTo(0.75, 6)
  expect(() => diversity({ features, labels: Int32Array.of(0, 1, 2, 3) }, real)).toThrow('received none')
})
