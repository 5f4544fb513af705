import { describe, expect, it } from 'vitest'
import { silu } from '../../lib/ops/silu.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'

const siluReference = (x: number) => x / (1 + Math.exp(-x))

describe('silu', () => {
  it.each([[[1]], [[3, 31]], [[130, 33]], [[4099]]])('agrees with the reference on %j', async (shape) => {
    await checkOp({
      inputs: { x: randomArray(shape, 1, 6) },
      run: ({ x }) => silu(x),
      reference: ({ x }) => ({ shape, data: x.data.map(siluReference) }),
      tolerance: 'elementwise',
    })
  })

  it('stays finite far from zero', async () => {
    const x = Float32Array.of(-1e30, -1000, -89, -20, -0, 0, 20, 89, 1000, 1e30)
    const y = await silu(fromArray(x)).readFloats()
    const expected = Array.from(x, siluReference)
    y.slice(1).forEach((value, i) =>
      expect(Math.abs(value - expected[i + 1]!)).toBeLessThanOrEqual(
        1e-6 * Math.abs(expected[i + 1]!) + 1e-35,
      ),
    )
  })

  it('names the argument and what was received', () => {
    expect(() => silu(fromArray(new Int32Array(2)))).toThrow(
      'silu: x must be f32 or bf16, received a tensor of i32 [2]',
    )
  })
})
