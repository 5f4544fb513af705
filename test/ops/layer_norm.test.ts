import { afterEach, describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { layerNorm } from '../../lib/ops/layer_norm.js'
import { setThreads } from '../../lib/tensor/device.js'
import { emptyLike, fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'
import { normReference } from '../reference/norm.js'

afterEach(() => setThreads(2))

describe('layerNorm', () => {
  describe.each([{ silu: false }, { silu: true }])('with %j', (options) => {
    it.each([[[2]], [[3, 31]], [[5, 26, 33]], [[2, 4099]]])(
      'agrees with the reference on %j',
      async (shape) => {
        const C = shape.at(-1)!
        await checkOp({
          inputs: { x: randomArray(shape), weight: randomArray([C], 2), bias: randomArray([C], 3) },
          run: ({ x, weight, bias }) => layerNorm(x, weight, bias, options),
          reference: (arrays) => normReference(arrays, arrays.x.data.length / C, 1, options.silu),
        })
      },
    )
  })

  it('is the activated bias where there is but one channel', async () => {
    const x = toTensor(randomArray([5, 1]))
    const [weight, bias] = [fromArray(Float32Array.of(3)), fromArray(Float32Array.of(0.5))]
    expect(await layerNorm(x, weight, bias).readFloats()).toEqual(new Float32Array(5).fill(0.5))
  })

  it('keeps its precision far from zero', async () => {
    const row = Float32Array.from({ length: 64 }, (_, c) => 4096 + (c % 2))
    const y = await layerNorm(fromArray(row, [1, 64]), full([64], 1), zeros([64]), { eps: 0 }).readFloats()
    y.forEach((value, c) => expect(Math.abs(value - (c % 2 ? 1 : -1))).toBeLessThan(1e-5))
  })

  it('gives the same bits with any number of threads', async () => {
    const x = toTensor(randomArray([999, 33]))
    const [weight, bias] = [toTensor(randomArray([33], 2)), toTensor(randomArray([33], 3))]
    const dy = toTensor(randomArray([999, 33], 4))
    const results = [1, 2].map((threads) => {
      setThreads(threads)
      const [y, dx, mean, rstd] = [emptyLike(x), emptyLike(x), zeros([999]), zeros([999])]
      const [dweight, dbias] = [zeros([33]), zeros([33])]
      const kept = [mean.handle, rstd.handle] as const
      const inputs = [x.handle, weight.handle, bias.handle] as const
      native.layer_norm(y.handle, ...kept, ...inputs, 1e-5, true)
      const gradients = [dx.handle, dweight.handle, dbias.handle] as const
      native.layer_norm_backward(...gradients, dy.handle, ...inputs, ...kept, true)
      return Promise.all([y, dx, dweight, dbias].map((tensor) => tensor.readFloats()))
    })
    expect(await results[0]).toEqual(await results[1])
  })

  it('names the argument and what was received', () => {
    const x = zeros([2, 8])
    expect(() => layerNorm(x, zeros([7]), zeros([8]))).toThrow(
      'layer_norm: weight must have shape [8], received a tensor of f32 [7]',
    )
    expect(() => layerNorm(x, zeros([8]), zeros([8], 'bf16'))).toThrow('layer_norm: bias must be f32')
    expect(() => layerNorm(x, zeros([8]), zeros([8]), { eps: NaN })).toThrow(
      'layer_norm: eps must be a finite number, received NaN',
    )
    expect(() => layerNorm(fromArray(new Int32Array(8)), zeros([8]), zeros([8]))).toThrow(
      'layer_norm: x must be f32 or bf16',
    )
  })
})
