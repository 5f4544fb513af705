import { describe, expect, it } from 'vitest'
import { adaptiveWeight } from '../../lib/ops/adaptive_weight.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { randomArray } from '../host_array.js'

const floats = (...values: number[]) => fromArray(Float32Array.from(values))
const weightOf = async (reference: number[], gradient: number[]) => {
  using weight = scope(() => adaptiveWeight(floats(...reference), floats(...gradient)))
  expect(weight.shape).toEqual([1])
  return (await weight.readFloats())[0]!
}

describe('adaptiveWeight', () => {
  it.each([1, 7, 4099])('is the quotient of the norms of %d elements', async (n) => {
    for (const [a, b] of [
      [1, 1],
      [1e-6, 3],
      [0.5, 1e-5],
      [1e12, 1e10],
    ] as const) {
      const [x, y] = [randomArray([n], 1), randomArray([n], 2)].map(({ data }) => [...data])
      const norm = (values: number[], factor: number) =>
        Math.hypot(...values.map((value) => Math.fround(value * factor)))
      const found = await weightOf(
        x!.map((value) => value * a),
        y!.map((value) => value * b),
      )
      const expected = Math.min(1e4, norm(x!, a) / (norm(y!, b) + 1e-4))
      expect(Math.abs(found / expected - 1)).toBeLessThan(2e-6)
    }
  })

  it('is 0 where the reference is, finite where the gradient is 0, and at most 10,000', async () => {
    expect(await weightOf([0, 0], [1, 2])).toBe(0)
    expect(await weightOf([0.3, 0.4], [0, 0])).toBeCloseTo(5000, 1)
    expect(await weightOf([30, 40], [0, 0])).toBeCloseTo(1e4, 1)
  })

  it('is not finite where a gradient has a NaN, nor where the reference is infinite', async () => {
    expect(await weightOf([NaN, 1], [1, 1])).toBeNaN()
    expect(await weightOf([1, 1], [NaN, 1])).toBeNaN()
    expect(await weightOf([Infinity, 1], [1, 1])).toBeNaN()
  })

  it('refuses other shapes and dtypes', () => {
    expect(() => adaptiveWeight(floats(1), floats(1, 2))).toThrow(
      'adaptive_weight: gradient must have shape [1]',
    )
    const bf16 = fromArray(Float32Array.of(1), [1], 'bf16')
    expect(() => adaptiveWeight(bf16, floats(1))).toThrow('adaptive_weight: reference must be f32')
    expect(() => adaptiveWeight(floats(1), bf16)).toThrow('adaptive_weight: gradient must be f32')
  })
})
