import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { codeUsage } from '../../lib/ops/code_usage.js'
import { philox } from '../../lib/random.js'
import { currentDevice } from '../../lib/tensor/device.js'
import { empty, fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { randomInts } from '../host_array.js'

const floats = (values: ArrayLike<number>) => fromArray(Float32Array.from(values))

describe('codeUsage', () => {
  it.each([1, 31, 4099, 16_384])('agrees with the reference on %i codes', async (K) => {
    const counts = randomInts(K, 9, K).map((count) => Math.max(0, count - 3))
    counts[0] = 5
    const total = counts.reduce((a, b) => a + b)
    const entropy = counts.reduce((sum, n) => (n > 0 ? sum - (n / total) * Math.log(n / total) : sum), 0)
    const { used, perplexity } = codeUsage(floats(counts), 2)
    expect(await used.read()).toEqual(Float32Array.of(counts.filter((count) => count >= 2).length))
    compare('perplexity', await perplexity.readFloats(), [Math.exp(entropy)], 'f32')
  })

  it('is K where all codes are used alike, 1 where one is, and 0 of nothing', async () => {
    const perplexities = [Array<number>(64).fill(3), [0, 0, 7, 0], [0, 0, 0]].map(async (counts) => {
      const { used, perplexity } = codeUsage(floats(counts))
      return [...(await used.read()), ...(await perplexity.read())]
    })
    const [all, one, none] = await Promise.all(perplexities)
    expect(all![0]).toBe(64)
    expect(all![1]).toBeCloseTo(64, 3)
    expect(one).toEqual([1, 1])
    expect(none).toEqual([0, 0])
  })

  it('names the argument and the value received', () => {
    expect(() => codeUsage(zeros([2, 3]))).toThrow('code_usage: counts must have 1 axes')
    expect(() => codeUsage(zeros([2], 'bf16'))).toThrow('code_usage: counts must be f32')
    expect(() => codeUsage(zeros([2]), NaN)).toThrow('code_usage: least must be')
  })
})

/** The kernels by which codes restart, called as training does. */
describe('restart_codes', () => {
  const seed = Int32Array.of(5, -6, 7, -8)

  async function restart(
    {
      unused,
      counts,
      taken = 1,
      candidates = 1000,
    }: Record<'unused' | 'counts', number[]> & {
      taken?: number
      candidates?: number
    },
    after = 3,
  ) {
    const steps = fromArray(Int32Array.from(unused))
    const recent = floats(counts.map((_, k) => k))
    const rows = empty([counts.length], 'i32')
    native.restart_codes(
      steps.handle,
      recent.handle,
      rows.handle,
      floats(counts).handle,
      floats([taken]).handle,
      fromArray(seed, [1, 4]).handle,
      candidates,
      after,
      0.5,
    )
    return {
      unused: [...(await steps.readInts())],
      recent: [...(await recent.read())],
      rows: [...(await rows.readInts())],
    }
  }

  it('counts steps without use, and draws a row for codes that had none for long', async () => {
    const { unused, recent, rows } = await restart({ unused: [0, 1, 2, 2, 9], counts: [0, 0, 0, 4, 0] })
    expect(unused).toEqual([1, 2, 0, 0, 0])
    expect(recent).toEqual([0, 0.5, 1, 5.5, 2])
    const drawn = (k: number) => {
      const [word] = philox([k, 0, seed[2]!, seed[3]!], [seed[0]!, seed[1]!])
      return Math.floor((word! / 2 ** 32) * 1000)
    }
    expect(rows).toEqual([-1, -1, drawn(2), -1, drawn(4)])
  })

  it('draws every candidate alike', async () => {
    const K = 60_000
    const { rows } = await restart({ unused: Array(K).fill(9), counts: Array(K).fill(0), candidates: 6 })
    const counts = [0, 0, 0, 0, 0, 0]
    for (const row of rows) counts[row]!++
    // Five standard errors.
    for (const count of counts) expect(Math.abs(count - K / 6)).toBeLessThan(5 * Math.sqrt((K / 6) * (5 / 6)))
  })

  it('changes nothing in a step that is not taken, and where there are no candidates', async () => {
    const skipped = await restart({ unused: [0, 9], counts: [3, 0], taken: 0 })
    expect(skipped).toEqual({ unused: [0, 9], recent: [0, 1], rows: [-1, -1] })
    const { unused, rows } = await restart({ unused: [0, 9], counts: [0, 0], candidates: 0 })
    expect(unused).toEqual([1, 10])
    expect(rows).toEqual([-1, -1])
  })

  // A GPU learns of it too late; there a step's gradients are not finite, and it is not taken.
  it.runIf(currentDevice() === 'cpu')(
    'leaves its state as it was where counts could not be computed',
    async () => {
      const counts = zeros([2])
      native.scatter_add_rows(
        counts.view([2, 1]).handle,
        zeros([1, 1]).handle,
        fromArray(Int32Array.of(7)).handle,
      )
      const [unused, recent, rows] = [fromArray(Int32Array.of(9, 9)), floats([1, 2]), empty([2], 'i32')]
      const seeds = fromArray(seed, [1, 4])
      native.restart_codes(
        unused.handle,
        recent.handle,
        rows.handle,
        counts.handle,
        floats([1]).handle,
        seeds.handle,
        5,
        3,
        0.5,
      )
      const y = floats([3, 4])
      native.replace_rows(y.view([2, 1]).handle, zeros([5, 1]).handle, rows.handle)
      await expect(rows.read()).rejects.toThrow('scatter_add_rows: rows[0] must be')
      expect(await y.read()).toEqual(Float32Array.of(3, 4))
      expect(await unused.readInts()).toEqual(Int32Array.of(9, 9))
    },
  )
})

describe('replace_rows', () => {
  const replace = (y: Tensor, x: Tensor, rows: number[]) =>
    native.replace_rows(y.handle, x.handle, fromArray(Int32Array.from(rows)).handle)

  it.each([1, 5, 33])('replaces rows of %i values where an index is not -1', async (C) => {
    const [R, T] = [300, 40]
    const rows = Array.from({ length: R }, (_, i) => (i % 3 ? -1 : (i * 7) % T))
    const y = fromArray(
      Float32Array.from({ length: R * C }, (_, i) => i),
      [R, C],
    )
    const x = fromArray(
      Float32Array.from({ length: T * C }, (_, i) => -1 - i),
      [T, C],
    )
    replace(y, x, rows)
    const expected = rows.flatMap((row, i) =>
      Array.from({ length: C }, (_, c) => (row < 0 ? i * C + c : -1 - (row * C + c))),
    )
    expect([...(await y.read())]).toEqual(expected)
  })

  it('changes nothing where an index is no row', async () => {
    const y = zeros([2, 3])
    replace(y, zeros([4, 3]), [-1, 4])
    const sum = empty([2, 3])
    native.cast(sum.handle, y.handle)
    expect(await sum.read()).toEqual(new Float32Array(6))
  })
})
