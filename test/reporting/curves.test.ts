import { describe, expect, it } from 'vitest'
import type { MetricsRecord } from '../../lib/reporting/interval.js'
import { Curves } from '../../lib/reporting/report/curves.js'

const record = (step: number, more: Partial<MetricsRecord> = {}): MetricsRecord => ({
  step,
  seconds: step / 10,
  terms: { lm: 1 / step },
  gradient_norm: 1,
  gradient_norm_max: 2,
  gradient_spikes: 0,
  learning_rate: 0.001,
  counts: { positions: 100, targets: 10, images: 0 },
  per_second: { positions: 1000, targets: 100, images: 0 },
  flops_per_second: 1e9,
  matmul_share: null,
  skipped_steps: 0,
  skipped_documents: 0,
  ...more,
})

describe('Curves', () => {
  it('has a point for each record of a short run, and leaves out what was not measured', () => {
    const curves = new Curves(8)
    for (let step = 10; step <= 50; step += 10) expect(curves.add(record(step))).toBe(true)
    const { steps, seconds, series, spikes } = curves.chartData()
    expect(steps).toEqual([10, 20, 30, 40, 50])
    expect(seconds).toEqual([1, 2, 3, 4, 5])
    expect(series['loss/lm']).toEqual({ mean: [0.1, 0.05, 0.033333, 0.025, 0.02] })
    expect(series['gradient_norm']).toEqual({
      mean: Array(5).fill(1),
      low: Array(5).fill(1),
      high: Array(5).fill(2),
    })
    expect(Object.keys(series)).not.toContain('images_per_second')
    expect(spikes).toEqual([0, 0, 0, 0, 0])
  })

  it('keeps extremes, spikes and counts of a long run in a bounded number of points', () => {
    const curves = new Curves(64)
    for (let step = 1; step <= 100_001; step++)
      curves.add(
        record(step, {
          terms: { lm: step === 54_321 ? 1000 : step === 54_322 ? -5 : 1 },
          gradient_spikes: Number(step % 10_000 === 77),
          skipped_steps: Math.floor(step / 1000),
        }),
      )
    const { steps, series, spikes } = curves.chartData()
    expect(steps.length).toBeLessThanOrEqual(64)
    expect(steps.length).toBeGreaterThan(32)
    expect(steps.at(-1)).toBe(100_001)
    const { mean, low, high } = series['loss/lm']!
    const at = steps.findIndex((step) => step >= 54_321)
    expect([Math.max(...(high as number[])), high!.indexOf(1000)]).toEqual([1000, at])
    expect([Math.min(...(low as number[])), low!.indexOf(-5)]).toEqual([-5, at])
    expect(mean[0]).toBe(1)
    expect(mean[at]).toBeCloseTo(1 + (999 - 6) / curves.stride, 1)
    expect(spikes.reduce((a, b) => a + b)).toBe(10)
    expect(series['skipped_steps']!.mean.at(-1)).toBe(100)
    expect(curves.summary).toMatchObject({ step: 100_001, spikes: 10 })
    expect(curves.summary.first.get('loss/lm')).toBe(1)
    expect(curves.summary.totals.get('loss/lm')).toMatchObject({ low: -5, high: 1000, last: 1 })
  })

  it('adds what was measured of samples to the point of their step', () => {
    const curves = new Curves()
    curves.add(record(10))
    expect(curves.add({ step: 10, samples: { psnr: 20 } })).toBe(true)
    curves.add(record(20))
    curves.add(record(30))
    expect(curves.add({ step: 30, samples: { psnr: 31 } })).toBe(true)
    expect(curves.add({ step: 40, samples: { psnr: 40 } })).toBe(false)
    expect(curves.chartData().series['samples/psnr']).toEqual({ mean: [20, null, 31] })
    expect(curves.summary.totals.get('samples/psnr')).toMatchObject({ low: 20, high: 31, last: 31, count: 2 })
  })

  it('leaves out a record that goes back, and takes numbers from nothing else', () => {
    const curves = new Curves()
    expect(curves.add(record(20, { terms: { lm: '<script>' as unknown as number } }))).toBe(true)
    expect(curves.add(record(20))).toBe(false)
    expect(curves.add(record(NaN))).toBe(false)
    expect(curves.add({ step: 30 } as MetricsRecord)).toBe(true)
    expect(curves.chartData().series['loss/lm']).toBeUndefined()
    expect(curves.chartData().seconds).toEqual([2, 2])
  })
})
