import { expect, it } from 'vitest'
import { cheapestSetting, type SamplerMetrics, worseMetrics } from '../../lib/evaluation/compare_samplers.js'

const errors = { image_accuracy: 0.03, diversity: 0.03, frechet: 3 }
const setting = (calls: number, metrics: Partial<SamplerMetrics['metrics']> = {}): SamplerMetrics => ({
  sampler: 'ddim',
  steps: calls,
  calls,
  metrics: { image_accuracy: 0.9, diversity: 0.8, frechet: 20, ...metrics },
  errors,
  secondsPerImage: 0.1,
})
const reference = setting(250)
/** Two standard errors of a difference: of accuracy and diversity 0.0849, of the distance 8.49. */

it('calls worse what is worse by more than two errors of the difference, and never what is better', () => {
  expect(worseMetrics(reference, reference)).toEqual([])
  expect(
    worseMetrics(setting(10, { image_accuracy: 0.82, diversity: 0.72, frechet: 28 }), reference),
  ).toEqual([])
  expect(worseMetrics(setting(10, { image_accuracy: 0.81 }), reference)).toEqual(['image_accuracy'])
  expect(worseMetrics(setting(10, { diversity: 0.71, frechet: 29 }), reference)).toEqual([
    'diversity',
    'frechet',
  ])
  expect(worseMetrics(setting(10, { image_accuracy: 1, diversity: 1, frechet: 5 }), reference)).toEqual([])
})

it('finds the cheapest by calls; of equals the one with the least distance; the reference where none keeps up', () => {
  const found = [
    reference,
    setting(25),
    setting(10, { frechet: 24 }),
    setting(10),
    setting(5, { frechet: 40 }),
  ]
  expect(cheapestSetting(found, reference)).toBe(found[3])
  expect(cheapestSetting([reference, setting(5, { frechet: 40 })], reference)).toBe(reference)
})
