import { describe, expect, it, test } from 'vitest'
import { recompute } from '../../lib/autograd/recompute.js'
import { backward, noGrad, trackGradient } from '../../lib/autograd/tape.js'
import { valueAndGradients } from '../../lib/autograd/value_and_gradients.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Linear } from '../../lib/nn/linear.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { silu } from '../../lib/ops/silu.js'
import { memory } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'

const floats = (...values: number[]) => fromArray(Float32Array.from(values), [1, values.length])

function network() {
  const list = new ParameterList()
  const [first, second] = [
    new Linear(list.under('first'), 3, 4, { bias: true }),
    new Linear(list.under('second'), 4, 2),
  ]
  const arena = new ParameterArena(list.parameters)
  arena.initialize(3)
  arena.zeroGradients()
  const forward = (x: Tensor) => sum(second.forward(silu(first.forward(x))))
  return { arena, forward, first, [Symbol.dispose]: () => arena[Symbol.dispose]() }
}

const isZero = (values: Float32Array) => values.every((value) => value === 0)

describe('arena.frozen', () => {
  it.each(['plain', 'recomputed', 'recomputed within'] as const)(
    'gives inputs the gradients that they have, and its parameters none: %s',
    async (way) => {
      using net = network()
      const { arena, forward } = net
      const again = (x: Tensor) => recompute(({ x }) => forward(x), { x })
      const run = {
        plain: () => arena.frozen(() => forward(x)),
        recomputed: () => arena.frozen(() => again(x)),
        'recomputed within': () => recompute(({ x }) => arena.frozen(() => forward(x)), { x }),
      }[way]
      const x = floats(1, -2, 3)
      const dx = trackGradient(x)
      scope(() => backward(forward(x)))
      const expected = await dx.readFloats()
      expect(isZero(await arena.gradients.readFloats())).toBe(false)
      arena.zeroGradients()
      dx.write(new Float32Array(3))
      scope(() => backward(run()))
      expect(await dx.readFloats()).toEqual(expected)
      expect(isZero(await arena.gradients.readFloats())).toBe(true)
      // And no longer.
      scope(() => backward(forward(x)))
      expect(isZero(await arena.gradients.readFloats())).toBe(false)
    },
  )

  it('leaves other parameters as they are, and may be nested', async () => {
    using a = network()
    using b = network()
    const both = (x: Tensor) => mul(a.forward(x), b.forward(x))
    scope(() => backward(a.arena.frozen(() => both(floats(1, 2, 3)))))
    expect(isZero(await a.arena.gradients.readFloats())).toBe(true)
    expect(isZero(await b.arena.gradients.readFloats())).toBe(false)
    const neither = a.arena.frozen(() => b.arena.frozen(() => both(floats(1, 2, 3))))
    expect(() => backward(neither)).toThrow('root must depend on a parameter')
  })

  it('lets parameters be updated between forward and backward', async () => {
    using net = network()
    const x = floats(1, 2, 3)
    trackGradient(x)
    const y = net.arena.frozen(() => net.forward(x))
    net.arena.updated()
    expect(() => scope(() => backward(y))).not.toThrow()
  })

  it('ends where its body throws, and refuses one that is not synchronous', () => {
    using net = network()
    const { arena, forward } = net
    expect(() =>
      arena.frozen(() => {
        throw new Error('a fault')
      }),
    ).toThrow('a fault')
    expect(forward(floats(1, 2, 3)).tapeEntry).toBeDefined()
    expect(() => arena.frozen(() => Promise.resolve(1))).toThrow(
      'ParameterArena.frozen: body must be synchron',
    )
    expect(() => arena.frozen(1 as never)).toThrow(
      'ParameterArena.frozen: body must be a function, received 1',
    )
  })
})

describe('valueAndGradients', () => {
  it('gives a value and its gradients at tensors that are no parameters, and none to parameters', async () => {
    using net = network()
    const { arena, forward } = net
    const [x, y] = [floats(1, -2, 3), floats(2, 0, -1)]
    const { value, gradients } = valueAndGradients(({ x, y }) => mul(forward(x), sum(mul(y, y))), { x, y })
    expect(isZero(await arena.gradients.readFloats())).toBe(true)
    const dx = trackGradient(x)
    const root = mul(forward(x), fromArray(Float32Array.of(5), []))
    scope(() => backward(root))
    expect(await value.readFloats()).toEqual(await root.readFloats())
    expect(await gradients.x.readFloats()).toEqual(await dx.readFloats())
    const [f] = await noGrad(() => forward(x)).readFloats()
    expect([...(await gradients.y.readFloats())]).toEqual([4, 0, -2].map((each) => Math.fround(each * f!)))
    for (const tensor of [value, gradients.x, gradients.y]) expect(tensor.tapeEntry).toBeUndefined()
  })

  it('takes a tensor that was computed from parameters, whose own tape it leaves alone', async () => {
    using net = network()
    const { arena, forward, first } = net
    const x = floats(1, -2, 3)
    const y = silu(first.forward(x))
    const { gradients } = valueAndGradients(({ y }) => sum(mul(y, y)), { y })
    const [twice, values] = await Promise.all([gradients.y.readFloats(), y.readFloats()])
    expect(twice).toEqual(values.map((value) => 2 * value))
    expect(isZero(await arena.gradients.readFloats())).toBe(true)
    scope(() => backward(sum(y)))
    expect(isZero(await arena.gradients.readFloats())).toBe(false)
    expect(forward(x).tapeEntry).toBeDefined()
  })

  it('works under noGrad, in bf16, and frees all but what it returns', async () => {
    using net = network()
    const { tensors } = memory()
    scope(() => {
      const x = fromArray(Float32Array.of(1, 2, 3), [3], 'bf16')
      const { gradients } = noGrad(() => valueAndGradients(({ x }) => sum(mul(x, x)), { x }))
      expect(gradients.x.dtype).toBe('bf16')
      valueAndGradients(({ z }) => net.forward(z), { z: floats(1, 2, 3) })
    })
    expect(memory().tensors).toBe(tensors)
  })

  test.each<[string, (x: Tensor, outside: Tensor) => unknown, string]>([
    ['more elements', (x) => mul(x, x), 'body must return a tensor of one element'],
    ['no tensor', () => 3, 'what body returns must be a tensor, received 3'],
    ['another value', (_, outside) => noGrad(() => sum(outside)), 'what body returns does not depend on x'],
    ['a tensor from outside', (x, outside) => sum(mul(x, outside)), 'body used a tensor from outside'],
  ])('refuses %s', (_, body, message) => {
    using net = network()
    const outside = net.first.forward(floats(1, 2, 3))
    const x = fromArray(Float32Array.of(1, 2, 3, 4), [1, 4])
    expect(() => valueAndGradients(({ x }) => body(x, outside) as Tensor, { x })).toThrow(
      `valueAndGradients: ${message}`,
    )
  })
})
