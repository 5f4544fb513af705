import { describe, expect, it } from 'vitest'
import { swiglu } from '../../lib/ops/swiglu.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference({ x }: { x: HostArray }): HostArray {
  const F = x.shape.at(-1)! / 2
  const rows = x.data.length / F / 2
  const data = Float64Array.from({ length: rows * F }, (_, i) => {
    const gate = x.data[Math.floor(i / F) * 2 * F + (i % F)]!
    const up = x.data[Math.floor(i / F) * 2 * F + F + (i % F)]!
    return (gate / (1 + Math.exp(-gate))) * up
  })
  return { shape: [...x.shape.slice(0, -1), F], data }
}

describe('swiglu', () => {
  it.each([[[2]], [[3, 62]], [[2, 5, 66]], [[2, 8198]], [[0, 4]]])(
    'agrees with the reference on %j',
    async (shape) => {
      await checkOp({ inputs: { x: randomArray(shape) }, run: ({ x }) => swiglu(x), reference })
    },
  )

  it('names the argument and what was received', () => {
    expect(() => swiglu(zeros([2, 3]))).toThrow(
      'swiglu: x must have an even last axis: gate, then up, received',
    )
    expect(() => swiglu(zeros([]))).toThrow('swiglu: x must have 1 to 6 axes')
  })
})
