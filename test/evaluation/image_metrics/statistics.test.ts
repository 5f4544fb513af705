import { expect, it } from 'vitest'
import {
  frechetDistance as frechetOfMoments,
  momentsOf,
} from '../../../lib/evaluation/image_metrics/frechet.js'
import { kernelDistance as kernelDistanceHere } from '../../../lib/evaluation/image_metrics/kid.js'
import { frechetDistance, kernelDistance } from '../../../lib/evaluation/image_metrics/statistics.js'
import { featureSets } from './feature_sets.js'

it('computes in another thread what is computed here', async () => {
  const { a, b } = await featureSets()
  expect(await kernelDistance(a, b)).toEqual(kernelDistanceHere(a, b))
  expect(await frechetDistance(a, b)).toBe(frechetOfMoments(momentsOf(a), momentsOf(b)))
})

it('rejects with what the computation throws', async () => {
  const one = { data: new Float32Array(3), width: 3 }
  await expect(kernelDistance(one, one)).rejects.toThrow(RangeError)
})
