import { afterEach, describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { groupNorm } from '../../lib/ops/group_norm.js'
import { setThreads } from '../../lib/tensor/device.js'
import { emptyLike, fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'
import { normReference } from '../reference/norm.js'

afterEach(() => setThreads(2))

/** The result and all gradients. */
function passes(x: Tensor, weight: Tensor, bias: Tensor, dy: Tensor, groups: number): Tensor[] {
  const kept = [zeros([x.size(0), groups]), zeros([x.size(0), groups])] as const
  const [y, dx, dweight, dbias] = [emptyLike(x), emptyLike(x), zeros(weight.shape), zeros(bias.shape)]
  const statistics = [kept[0].handle, kept[1].handle] as const
  const inputs = [x.handle, weight.handle, bias.handle] as const
  native.group_norm(y.handle, ...statistics, ...inputs, 1e-5, true)
  const gradients = [dx.handle, dweight.handle, dbias.handle] as const
  native.group_norm_backward(...gradients, dy.handle, ...inputs, ...statistics, true)
  return [y, dx, dweight, dbias]
}

describe('groupNorm', () => {
  describe.each([{ silu: false }, { silu: true }])('with %j', (options) => {
    it.each([
      [[1, 2], 1],
      [[3, 31, 4], 2],
      [[2, 5, 7, 33], 3],
      [[3, 17, 31, 6], 6],
      [[2, 300, 1], 1],
      [[1, 3, 4099], 1],
      [[33, 5, 6], 3],
    ])('agrees with the reference on %j in %i groups', async (shape, groups) => {
      const C = shape.at(-1)!
      await checkOp({
        inputs: { x: randomArray(shape), weight: randomArray([C], 2), bias: randomArray([C], 3) },
        run: ({ x, weight, bias }) => groupNorm(x, weight, bias, groups, options),
        reference: (arrays) => normReference(arrays, shape[0]!, groups, options.silu),
      })
    })
  })

  it('keeps its precision far from zero', async () => {
    const values = Float32Array.from({ length: 4096 }, (_, i) => 4096 + (i % 2))
    const x = fromArray(values, [1, 1024, 4])
    const y = await groupNorm(x, full([4], 1), zeros([4]), 2, { eps: 0 }).readFloats()
    y.forEach((value, i) => expect(Math.abs(value - (i % 2 ? 1 : -1))).toBeLessThan(1e-3))
  })

  // Of many images each is one thread's; a single one is cut among threads.
  it.each([
    { images: 3, height: 40 },
    { images: 33, height: 13 },
  ])(
    'gives the same bits with any number of threads, and for one of $images images by itself',
    async (size) => {
      const { images, height } = size
      const shape = [images, height, 41, 24]
      const x = randomArray(shape)
      const dy = randomArray(shape, 4)
      const [weight, bias] = [toTensor(randomArray([24], 2)), toTensor(randomArray([24], 3))]
      const results = [1, 2].map((threads) => {
        setThreads(threads)
        const tensors = passes(toTensor(x), weight, bias, toTensor(dy), 8)
        return Promise.all(tensors.map((tensor) => tensor.readFloats()))
      })
      const [one, two] = await Promise.all(results)
      expect(one).toEqual(two)
      const values = x.data.length / images
      const last = (data: Float64Array) => toTensor({ shape: [1, height, 41, 24], data: data.slice(-values) })
      const [y, dx] = passes(last(x.data), weight, bias, last(dy.data), 8)
      expect(await y!.readFloats()).toEqual(one![0]!.slice(-values))
      expect(await dx!.readFloats()).toEqual(one![1]!.slice(-values))
    },
  )

  it('works on no images, and on images of no positions', async () => {
    for (const shape of [
      [0, 3, 4],
      [2, 0, 4],
    ])
      for (const tensor of passes(zeros(shape), full([4], 1), zeros([4]), zeros(shape), 2))
        expect((await tensor.readFloats()).every((value) => value === 0)).toBe(true)
  })

  it('names the argument and what was received', () => {
    const x = zeros([2, 3, 8])
    expect(() => groupNorm(x, zeros([7]), zeros([8]), 2)).toThrow(
      'group_norm: weight must have shape [8], received a tensor of f32 [7]',
    )
    expect(() => groupNorm(x, zeros([8]), zeros([8], 'bf16'), 2)).toThrow('group_norm: bias must be f32')
    expect(() => groupNorm(x, zeros([8]), zeros([8]), 3)).toThrow(
      'group_norm: groups must divide the 8 channels of x, received 3',
    )
    expect(() => groupNorm(x, zeros([8]), zeros([8]), 2, { eps: Infinity })).toThrow(
      'group_norm: eps must be a finite number, received Infinity',
    )
    expect(() => groupNorm(zeros([8]), zeros([8]), zeros([8]), 2)).toThrow(
      'group_norm: x must have 2 to 6 axes',
    )
  })
})
