import { expect, it } from 'vitest'
import { startProfile } from '../../lib/profiling/profile.js'
import { kernelTotals } from '../../lib/profiling/profile_table.js'
import { MatmulShare, measureMatmulRate } from '../../lib/reporting/matmul_rate.js'
import { memory } from '../../lib/tensor/device.js'

/** Three products, of 120, 80 and 150 ms: read at the start, then before, after and at the end of each. */
const times = [0, 0, 120, 120, 120, 200, 200, 200, 350, 350]

it.each(['f32', 'bf16'] as const)(
  'is the rate of the fastest of the %s products, and keeps nothing',
  async (dtype) => {
    const { tensors } = memory()
    const readings = [...times]
    const profile = startProfile()
    const rate = await measureMatmulRate(dtype, 'cpu', () => readings.shift()!)
    const product = kernelTotals(await profile.stop()).find(({ name }) => name === 'matmul')!
    expect(readings).toEqual([])
    // The first product is not measured.
    expect(product.calls).toBe(4)
    expect(rate).toBe(product.flops / 4 / 0.08)
    expect(memory().tensors).toBe(tensors)
  },
)

it('is compared with until it is exceeded', () => {
  const share = new MatmulShare(200)
  expect([share.of(50), share.of(200), share.of(201), share.of(50)]).toEqual([0.25, 1, undefined, undefined])
  expect(new MatmulShare(undefined).of(50)).toBeUndefined()
})
