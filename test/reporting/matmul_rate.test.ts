import { expect, it } from 'vitest'
import { measureMatmulRate } from '../../lib/reporting/matmul_rate.js'
import { memory } from '../../lib/tensor/device.js'

it('measures a rate that a machine can have, and keeps nothing', async () => {
  const { tensors } = memory()
  for (const dtype of ['f32', 'bf16'] as const) {
    const rate = await measureMatmulRate(dtype)
    expect(rate).toBeGreaterThan(1e7)
    expect(rate).toBeLessThan(1e17)
  }
  expect(memory().tensors).toBe(tensors)
})
