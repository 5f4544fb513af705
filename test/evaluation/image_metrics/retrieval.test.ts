import { describe, expect, it } from 'vitest'
import type { Features } from '../../../lib/evaluation/image_metrics/features.js'
import { retrievalAuc, squaredDistance } from '../../../lib/evaluation/image_metrics/retrieval.js'

const features = (...rows: number[][]): Features => ({
  data: Float32Array.from(rows.flat()),
  width: rows[0]!.length,
})

describe('retrievalAuc', () => {
  const candidates = features([0, 0], [3, 4], [0, 2], [6, 8])

  it('tells the share of the other candidates that are farther than the target', () => {
    const queries = features([0, 0.5], [0, 0.5], [6, 7], [3, 4])
    expect(retrievalAuc(queries, candidates, [0, 3, 3, 0])).toEqual([1, 0, 1, 0])
    expect(retrievalAuc(features([2, 3]), candidates, [2])[0]).toBeCloseTo(2 / 3, 12)
  })

  it('counts what is as near as the target against it', () => {
    expect(retrievalAuc(features([0, 1]), candidates, [2])[0]).toBeCloseTo(2 / 3, 12)
  })

  it('measures squared Euclidean distances', () => {
    expect(squaredDistance(features([1, 1], [0, 0]), 1, candidates, 1)).toBe(25)
  })
})
