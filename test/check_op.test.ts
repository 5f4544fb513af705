import { describe, expect, it } from 'vitest'
import { defineOp } from '../lib/autograd/op.js'
import { native } from '../lib/native.js'
import { cast } from '../lib/ops/cast.js'
import { mul } from '../lib/ops/mul.js'
import { reshape } from '../lib/ops/reshape.js'
import { scale } from '../lib/ops/scale.js'
import { transpose } from '../lib/ops/transpose.js'
import { emptyLike, type Tensor } from '../lib/tensor/tensor.js'
import { checkOp, compare } from './check_op.js'
import { type HostArray, hostArray, randomArray, toTensor } from './host_array.js'

describe('the comparison of ops with their references', () => {
  it.each([0, 1, 2])('fails at NaN or infinity in element %i', (place) => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const values = [1, 2, 3].with(place, bad)
      const message = `y: element ${place} is ${bad}, expected ${place + 1}`
      expect(() => compare('y', values, [1, 2, 3], 'f32')).toThrow(message)
      expect(() => compare('y', [1, 2, 3], values, 'bf16')).toThrow('y: element')
    }
  })

  it('takes what is not finite where the reference is not, and is strict beside it', () => {
    compare('y', [Infinity, NaN, 3], [Infinity, NaN, 3], 'f32')
    expect(() => compare('y', [Infinity, NaN, 3], [Infinity, NaN, 3.1], 'f32')).toThrow('element 2 is 3')
  })

  it('fails for wrong values, and for a gradient that is half of what it should be', async () => {
    const x = randomArray([5], 1)
    const square = {
      inputs: { x },
      dtypes: ['f32' as const],
      reference: (inputs: { x: HostArray }) =>
        hostArray(
          [5],
          inputs.x.data.map((value) => value ** 2),
        ),
    }
    await checkOp({ ...square, run: ({ x }) => mul(x, x) })
    await expect(checkOp({ ...square, run: ({ x }) => scale(x, 2) })).rejects.toThrow('f32 forward: element')
    const constant = toTensor(x)
    await expect(checkOp({ ...square, run: ({ x }) => mul(x, constant) })).rejects.toThrow(
      'f32 gradient of x: element',
    )
  })
})

describe('a planted fault', () => {
  // More elements than are compared one by one.
  const [rows, columns] = [50, 101]
  const count = rows * columns
  const middle = count >> 1
  const inputs = { x: randomArray([rows, columns], 1) }
  const reference = ({ x }: typeof inputs) =>
    hostArray(
      x.shape,
      x.data.map((value) => value ** 2),
    )

  const product = (a: Tensor, b: Tensor): Tensor => {
    const y = emptyLike(a)
    native.mul(y.handle, a.handle, b.handle)
    return y
  }
  const factors = (of: (i: number) => number): Tensor =>
    toTensor(
      hostArray(
        [rows, columns],
        Float64Array.from({ length: count }, (_, i) => of(i)),
      ),
    )

  /** x^2, each element of the result and of its gradient multiplied by a factor. */
  const square = (forwardFactor: (i: number) => number, backwardFactor: (i: number) => number) =>
    defineOp({
      name: 'square',
      forward: ({ x }: { x: Tensor }) => ({
        output: product(product(x, x), factors(forwardFactor)),
        saved: { x },
      }),
      backward: (dy, { x }) => ({
        x: product(
          product(dy, x),
          factors((i) => 2 * backwardFactor(i)),
        ),
      }),
    })
  const check = (run: (x: Tensor) => Tensor) =>
    checkOp({ inputs, reference, dtypes: ['f32'], run: ({ x }) => run(x) })
  const right = () => 1
  const at = (place: number, factor: number) => (i: number) => (i === place ? factor : 1)

  const faults: [what: string, factor: (i: number) => number][] = [
    ['a NaN in the middle', at(middle, NaN)],
    ['an infinity in the middle', at(middle, Infinity)],
    ['an element that explodes', at(middle, 1e6)],
    ['all elements exploding', () => 1e30],
    ['zeros', () => 0],
    ['a wrong sign', () => -1],
    ['a part that is missing', (i) => (i % 10 === 9 ? 0 : 1)],
    ['what is a thousandth too large', () => 1.001],
  ]

  it('is none where every factor is one', () => check((x) => square(right, right)({ x }, {})))

  it.each(faults)('in the result fails: %s', async (_, factor) => {
    await expect(check((x) => square(factor, right)({ x }, {}))).rejects.toThrow('f32 forward: element')
  })

  it.each(faults)('in the gradient fails: %s', async (_, factor) => {
    await expect(check((x) => square(right, factor)({ x }, {}))).rejects.toThrow('f32 gradient of x: ')
  })

  it('in shape, dtype or order fails', async () => {
    await expect(check((x) => reshape(mul(x, x), [columns, rows]))).rejects.toThrow('f32 shape')
    await expect(check((x) => cast(mul(x, x), 'bf16'))).rejects.toThrow('f32 dtype of the output')
    const transposed = defineOp({
      name: 'square',
      forward: ({ x }: { x: Tensor }) => ({ output: product(x, x), saved: { x } }),
      backward: (dy, { x }) => ({ x: transpose(product(scale(dy, 2), x), 0, 1) }),
    })
    await expect(check((x) => transposed({ x }, {}))).rejects.toThrow('f32 gradient of x: ')
  })
})
