import { describe, expect, it } from 'vitest'
import { broadcastTo, mean, sum } from '../../lib/ops/reduce.js'
import { setThreads } from '../../lib/tensor/device.js'
import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp, compare } from '../check_op.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import { broadcastCases, broadcastIndices } from '../reference/broadcast.js'

/** Sums over axes (not negative), kept with size 1. */
function sumReference(x: HostArray, axes: readonly number[]): HostArray {
  const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  const data = new Float64Array(elementsOf(shape))
  broadcastIndices(shape, x.shape).forEach((kept, i) => (data[kept]! += x.data[i]!))
  return { shape, data }
}

const reductions: readonly (readonly [Shape, readonly number[]])[] = [
  [[], []],
  [[1], [0]],
  [[4099], [0]],
  [[3, 33], [1]],
  [[131, 31], [0]],
  [
    [131, 31],
    [0, 1],
  ],
  [[2, 9001], [1]],
  [[70, 130], [0]],
  [
    [3, 70, 5],
    [0, 2],
  ],
  [[3, 70, 5], [1]],
  [
    [2, 3, 4, 5, 2, 3],
    [0, 2, 4],
  ],
  [
    [2, 3, 4, 5, 2, 3],
    [1, 3, 5],
  ],
  [[5, 3], []],
  [[0, 3], [0]],
  [[3, 0], [1]],
  [[3, 0], [0]],
]

describe('sum and mean', () => {
  it.each(reductions)('agree with the reference on %j over %j', async (shape, axes) => {
    const count = axes.reduce((product, axis) => product * shape[axis]!, 1)
    await checkOp({
      inputs: { x: randomArray(shape) },
      run: ({ x }) => sum(x, axes, true),
      reference: ({ x }) => sumReference(x, axes),
    })
    if (count === 0) return
    const dropped = shape.filter((_, axis) => !axes.includes(axis))
    await checkOp({
      inputs: { x: randomArray(shape) },
      run: ({ x }) =>
        mean(
          x,
          axes.map((axis) => axis - shape.length),
        ),
      reference: ({ x }) => ({
        shape: dropped,
        data: sumReference(x, axes).data.map((value) => value / count),
      }),
    })
  })

  it('take all axes by default, and are the same for 1 and 2 threads', async () => {
    const x = randomArray([131, 5003])
    const tensor = toTensor(x)
    const [one, two] = await Promise.all(
      [1, 2].map((threads) => {
        setThreads(threads)
        return Promise.all([sum(tensor), sum(tensor, [0]), sum(tensor, [1])].map((y) => y.readFloats()))
      }),
    )
    expect(one).toEqual(two)
    for (const [i, axes] of [[0, 1], [0], [1]].entries())
      compare(`sum over ${axes}`, one![i]!, sumReference(roundTo(x, 'f32'), axes).data, 'f32')
  })

  it('name the argument and what was received', () => {
    expect(() => sum(zeros([2, 3]), [2])).toThrow('sum: axes[0] must be an axis of 2, received 2')
    expect(() => mean(zeros([2, 3]), [0, -3])).toThrow('mean: axes[1] must be an axis of 2, received -3')
    expect(() => sum(fromArray(new Int32Array(2)))).toThrow('sum: x must be f32 or bf16')
  })
})

describe('broadcastTo', () => {
  it.each(broadcastCases)('takes %j to what it and %j broadcast to, %j', async (from, _, shape) => {
    await checkOp({
      inputs: { x: randomArray(from) },
      run: ({ x }) => broadcastTo(x, shape),
      reference: ({ x }) => ({
        shape,
        data: Float64Array.from(broadcastIndices(from, shape), (i) => x.data[i]!),
      }),
    })
  })

  it('names the argument and what was received', () => {
    expect(() => broadcastTo(zeros([2, 3]), [3])).toThrow(
      'broadcast_to: shape must be one that [2, 3] broadcasts to, received [3]',
    )
  })
})
