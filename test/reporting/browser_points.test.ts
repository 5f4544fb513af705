import { describe, expect, it } from 'vitest'
import { clockTime } from '../../lib/reporting/clock_time.js'
import { placeOfStep, positive, readable, smoothed } from '../../lib/reporting/browser/points.js'

describe("the page's curves", () => {
  it('are smoothed from their first value on, gaps left as they are', () => {
    const four: unknown = expect.closeTo(4, 12)
    expect(smoothed([4, null, 4, 4], 0.9)).toEqual([four, null, four, four])
    // Weights 0.5 x 0.5 and 0.5, over their sum.
    expect(smoothed([0, 3], 0.5)[1]).toBeCloseTo(2, 12)
  })

  it('leave out what a logarithmic axis has no place for', () => {
    expect(positive([1, 0, null, -2, 3])).toEqual([1, null, null, null, 3])
  })

  it('place a step by time between the points around it', () => {
    const data = { steps: [10, 20, 30], seconds: [5, 15, 16], series: {}, spikes: [0, 0, 0], resumed: [] }
    const place = (step: number) => placeOfStep(data, step, 'seconds')
    expect([4, 10, 15, 20, 40].map(place)).toEqual([5, 5, 10, 15, 16])
    expect(placeOfStep(data, 15, 'steps')).toBe(15)
  })

  it('write numbers and times short', () => {
    expect([0, 0.00006, 0.2141, 13_504.2, 2_500_000].map(readable)).toEqual([
      '0',
      '6.00e-5',
      '0.2141',
      '13,504',
      '2.50e6',
    ])
    expect([0, 61.4, 3723].map(clockTime)).toEqual(['0:00', '1:01', '1:02:03'])
  })
})
