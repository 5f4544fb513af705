import { describe, expect, it } from 'vitest'
import { GradientSpikes } from '../../lib/training/gradient_spikes.js'

describe('GradientSpikes', () => {
  it('tells norms of more than so many times the recent mean, once there is one', () => {
    const spikes = new GradientSpikes(3)
    const norms = [50, ...Array<number>(40).fill(1), 2.5, 40, 1]
    expect(norms.map((norm) => spikes.add(norm)).flatMap((spike, i) => (spike ? [i] : []))).toEqual([42])
  })

  it('follows norms that stay high, and leaves out those that are not finite', () => {
    const spikes = new GradientSpikes(3)
    for (let i = 0; i < 100; i++) spikes.add(1)
    for (const norm of [NaN, Infinity]) expect(spikes.add(norm)).toBe(false)
    const raised = Array.from({ length: 100 }, () => spikes.add(10))
    expect(raised[0]).toBe(true)
    expect(raised.at(-1)).toBe(false)
  })

  it('goes on from its state', () => {
    const whole = new GradientSpikes(2)
    const norms = Array.from({ length: 200 }, (_, i) => 1 + ((i * 37) % 11) / 3)
    const expected = norms.map((norm) => whole.add(norm))
    const first = new GradientSpikes(2)
    const answers = norms.slice(0, 90).map((norm) => first.add(norm))
    const second = new GradientSpikes(2, first.state)
    expect([...answers, ...norms.slice(90).map((norm) => second.add(norm))]).toEqual(expected)
  })
})
