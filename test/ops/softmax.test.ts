import { describe, expect, it } from 'vitest'
import { softmax } from '../../lib/ops/softmax.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference({ x }: { x: HostArray }): HostArray {
  const C = x.shape.at(-1)!
  const data = new Float64Array(x.data.length)
  for (let row = 0; row < data.length; row += C) {
    const values = x.data.subarray(row, row + C)
    const largest = values.reduce((most, value) => Math.max(most, value), -Infinity)
    const exponentials = values.map((value) => Math.exp(value - largest))
    const total = exponentials.reduce((sum, value) => sum + value, 0)
    data.set(
      exponentials.map((value) => value / total),
      row,
    )
  }
  return { shape: x.shape, data }
}

describe('softmax', () => {
  it.each([[[1]], [[3, 31]], [[2, 5, 33]], [[2, 4099]], [[0, 4]]])(
    'agrees with the reference on %j',
    async (shape) => {
      await checkOp({ inputs: { x: randomArray(shape, 1, 4) }, run: ({ x }) => softmax(x), reference })
    },
  )

  it('bears large and infinite values', async () => {
    const y = await softmax(fromArray(Float32Array.of(-1e4, -1e4, -Infinity, 3e38, 0, -3e38), [2, 3])).read()
    expect([...y]).toEqual([0.5, 0.5, 0, 1, 0, 0])
  })

  it('keeps the precision of small shares, down to where floats lose theirs', async () => {
    const x = Float32Array.from({ length: 2001 }, (_, i) => (-86.9 * i) / 2000)
    const y = await softmax(fromArray(x)).readFloats()
    const total = x.reduce((sum, value) => sum + Math.exp(value), 0)
    y.forEach((share, i) =>
      expect(Math.abs((share * total) / Math.exp(x[i]!) - 1), `of ${x[i]}`).toBeLessThan(1e-6),
    )
    const [, ...none] = await softmax(fromArray(Float32Array.of(0, -87.1, -88, -104, -1e30))).readFloats()
    expect(Math.max(...none)).toBeLessThan(1e-37)
  })

  it('names the argument and what was received', () => {
    expect(() => softmax(zeros([]))).toThrow('softmax: x must have 1 to 6 axes, received a tensor of f32 []')
  })
})
