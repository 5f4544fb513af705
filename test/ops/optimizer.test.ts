import { afterEach, describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { cast } from '../../lib/ops/cast.js'
import { setThreads } from '../../lib/tensor/device.js'
import { empty, fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { randomArray } from '../host_array.js'

const values = (n: number, seed: number, scale = 1.7) => Float32Array.from(randomArray([n], seed, scale).data)

function gradientNorm(gradients: Tensor, maxNorm: number): Tensor {
  const clip = empty([3])
  native.gradient_norm(clip.handle, gradients.handle, maxNorm)
  return clip
}

afterEach(() => setThreads(2))

describe('gradient_norm', () => {
  it.each([0, 1, 31, 33, 4099, 200_003])('agrees with the reference on %i gradients', async (n) => {
    const gradients = values(n, 1)
    const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g * g, 0))
    for (const maxNorm of [0.5 * norm + 1e-3, 2 * norm + 1]) {
      const clip = await gradientNorm(fromArray(gradients), maxNorm).readFloats()
      compare(
        'norm and factor',
        clip.subarray(0, 2),
        [norm, Math.min(1, maxNorm / norm)],
        'f32',
        'elementwise',
      )
      expect(clip[2]).toBe(1)
    }
  })

  it.each([NaN, Infinity, -Infinity, 1e30])('takes no step for a gradient of %d', async (bad) => {
    const gradients = values(40_000, 1)
    gradients[20_001] = bad
    const [norm, factor, finite] = await gradientNorm(fromArray(gradients), 1).readFloats()
    expect(Number.isFinite(norm)).toBe(false)
    expect([factor, finite]).toEqual([0, 0])
  })

  it('gives the same bits with any number of threads', async () => {
    const gradients = fromArray(values(300_007, 3))
    const norms = [1, 2, 3].map((threads) => {
      setThreads(threads)
      return gradientNorm(gradients, 1).readFloats()
    })
    expect(await norms[1]).toEqual(await norms[0])
    expect(await norms[2]).toEqual(await norms[0])
  })
})

describe('adamw', () => {
  const [rate, beta1, beta2, epsilon] = [3e-3, 0.9, 0.95, 1e-8]
  const state = (n: number) => ({ p: values(n, 1), m: new Float32Array(n), v: new Float32Array(n) })

  function step(
    p: Tensor,
    m: Tensor,
    v: Tensor,
    gradients: Tensor,
    clip: Tensor,
    decay: number,
    t: number,
    rounded?: Tensor,
  ): void {
    native.adamw(
      p.handle,
      rounded?.handle,
      m.handle,
      v.handle,
      gradients.handle,
      clip.handle,
      fromArray(Int32Array.of(t)).handle,
      rate,
      beta1,
      beta2,
      epsilon,
      decay,
    )
  }

  it('counts the steps whose norm is finite', async () => {
    const steps = fromArray(Int32Array.of(6))
    for (const gradients of [[3], [NaN], [0], [Infinity], [1]])
      native.count_step(steps.handle, gradientNorm(fromArray(Float32Array.from(gradients)), 1).handle)
    expect(await steps.readInts()).toEqual(Int32Array.of(9))
  })

  it.each([
    [1, 0],
    [31, 0.1],
    [33, 0.1],
    [4099, 0],
    [40_001, 0.1],
  ])('agrees with the reference over 5 steps of %i parameters, decay %d', async (n, decay) => {
    const { p, m, v } = state(n)
    const [parameters, first, second] = [p, m, v].map((array) => fromArray(array)) as [Tensor, Tensor, Tensor]
    const expected = { p: Float64Array.from(p), m: Float64Array.from(m), v: Float64Array.from(v) }
    for (let t = 1; t <= 5; t++) {
      const gradients = values(n, 10 + t, 10 ** (1 - t))
      const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g * g, 0))
      const factor = Math.min(1, 1 / norm)
      for (let i = 0; i < n; i++) {
        const g = factor * gradients[i]!
        const mean = (expected.m[i] = beta1 * expected.m[i]! + (1 - beta1) * g)
        const square = (expected.v[i] = beta2 * expected.v[i]! + (1 - beta2) * g * g)
        const change = mean / (1 - beta1 ** t) / (Math.sqrt(square / (1 - beta2 ** t)) + epsilon)
        expected.p[i]! -= rate * (change + decay * expected.p[i]!)
      }
      const uploaded = fromArray(gradients)
      step(parameters, first, second, uploaded, gradientNorm(uploaded, 1), decay, t)
    }
    compare('parameters', await parameters.readFloats(), expected.p, 'f32', 'elementwise')
    compare('first moment', await first.readFloats(), expected.m, 'f32', 'elementwise')
    compare('second moment', await second.readFloats(), expected.v, 'f32', 'elementwise')
  })

  it.each([1, 33, 40_001])('rounds %i parameters as cast does', async (n) => {
    const { p, m, v } = state(n)
    const parameters = fromArray(p)
    const rounded = cast(parameters, 'bf16')
    const gradients = fromArray(values(n, 2))
    step(parameters, fromArray(m), fromArray(v), gradients, gradientNorm(gradients, 1), 0.1, 1, rounded)
    const updated = await parameters.readFloats()
    expect(updated).not.toEqual(p)
    expect(await rounded.read()).toEqual(await cast(parameters, 'bf16').read())
  })

  it('changes nothing when the norm is not finite', async () => {
    const { p, m, v } = state(5000)
    const tensors = [p, m, v].map((array) => fromArray(array)) as [Tensor, Tensor, Tensor]
    const rounded = cast(full([5000], 0.5), 'bf16')
    const gradients = values(5000, 2)
    gradients[77] = NaN
    const uploaded = fromArray(gradients)
    step(...tensors, uploaded, gradientNorm(uploaded, 1), 0.1, 1, rounded)
    expect(await Promise.all(tensors.map((tensor) => tensor.readFloats()))).toEqual([p, m, v])
    expect(await rounded.readFloats()).toEqual(new Float32Array(5000).fill(0.5))
  })
})
