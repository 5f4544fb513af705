import { afterEach, describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { pixelError } from '../../lib/ops/pixel_error.js'
import { sum } from '../../lib/ops/reduce.js'
import { setThreads } from '../../lib/tensor/device.js'
import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'

afterEach(() => setThreads(2))

const sizes: Record<'absolute' | 'squared', (error: number) => number> = {
  absolute: Math.abs,
  squared: (error) => error ** 2,
}

function reference(y: HostArray, x: HostArray, kind: 'absolute' | 'squared'): HostArray {
  const [N] = y.shape as [number]
  const values = elementsOf(y.shape) / N
  const data = new Float64Array(N)
  y.data.forEach((value, i) => (data[Math.floor(i / values)]! += sizes[kind](value - x.data[i]!) / values))
  return { shape: [N], data }
}

describe('pixelError', () => {
  it.each<[Shape, 'absolute' | 'squared']>([
    [[1], 'absolute'],
    [[3], 'squared'],
    [[2, 31, 33, 3], 'absolute'],
    [[2, 31, 33, 3], 'squared'],
    [[3, 4, 4, 8], 'absolute'],
    [[2, 4099, 5], 'squared'],
  ])('agrees with the reference on %j, %s', async (shape, kind) => {
    // Errors of a tenth at least: at 0 |y - x| has no derivative that differences would find.
    const target = roundTo(randomArray(shape, 2), 'bf16')
    const offsets = randomArray(shape, 3).data.map((value) => value + Math.sign(value) * 0.125)
    const y = { shape, data: target.data.map((value, i) => value + offsets[i]!) }
    await checkOp({
      inputs: { y },
      run: ({ y }) => pixelError(y, toTensor(target, y.dtype as 'f32'), kind),
      reference: ({ y }) => reference(y, target, kind),
      outputDType: 'f32',
    })
  })

  it('has derivative 0 where |y - x| is 0', async () => {
    const y = fromArray(Float32Array.of(1, 2, -3, 4), [1, 4])
    const dy = trackGradient(y)
    backward(sum(pixelError(y, fromArray(Float32Array.of(1, 3, -3, -4), [1, 4]))))
    expect(await dy.read()).toEqual(Float32Array.of(0, -0.25, 0, 0.25))
  })

  it('gives the same bits with any number of threads', async () => {
    const [y, x] = [1, 2].map((seed) => toTensor(randomArray([3, 20_000], seed)))
    const results = [1, 2].map((threads) => {
      setThreads(threads)
      return pixelError(y!, x!).read()
    })
    expect(await results[0]).toEqual(await results[1])
  })

  it('has a derivative for y alone, and says so', () => {
    const x = zeros([2, 3])
    trackGradient(x)
    expect(() => backward(sum(pixelError(zeros([2, 3]), x)))).toThrow(
      'backward: pixel_error has no derivative for x',
    )
  })

  it('names the argument and the value received', () => {
    const y = zeros([2, 4, 4, 3])
    expect(() => pixelError(y, zeros([2, 4, 4, 1]))).toThrow(
      'pixel_error: x must have shape [2, 4, 4, 3], received a tensor of f32 [2, 4, 4, 1]',
    )
    expect(() => pixelError(y, zeros([2, 4, 4, 3], 'bf16'))).toThrow('pixel_error: x must be f32')
    expect(() => pixelError(zeros([]), zeros([]))).toThrow('pixel_error: y must have 1 to 6 axes')
    expect(() => pixelError(y, y, 'l1' as 'absolute')).toThrow(
      "pixel_error: kind must be 'absolute' or 'squared', received l1",
    )
  })
})
