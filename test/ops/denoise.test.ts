import { describe, expect, it } from 'vitest'
import { denoise, type DenoiseStep } from '../../lib/ops/denoise.js'
import { randomSeeds } from '../../lib/random.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'
import { imageNoise, imageOfRow } from '../reference/noise.js'

const rows = [0, 33, 33, 64, 1065]
const C = 3
const images = rows.length - 1
const imageRows = Int32Array.from(rows)
const seeds = randomSeeds(8, 'noise', 2, images)
const coefficients = Float32Array.from(
  Array.from({ length: images }, (_, i) => [
    1 + i,
    0.9 - 0.2 * i,
    0.5 - 0.3 * i,
    0.25,
    0.75,
    -0.125,
    i / 4,
  ]).flat(),
)

type Arrays = Record<'x' | 'conditional' | 'unconditional' | 'previousX0', HostArray>

function reference(arrays: Arrays, guided: boolean, second: boolean, clip: readonly [number, number]) {
  const noise = imageNoise(imageRows, seeds, C)
  const image = imageOfRow(imageRows)
  const { x, conditional, unconditional, previousX0 } = arrays
  const pairs = Array.from(x.data, (value, i) => {
    const first = 7 * image[Math.floor(i / C)]!
    const [guidance, fromX, fromP, xCoeff, x0Coeff, previousX0Coeff, noiseCoeff] = coefficients.subarray(
      first,
      first + 7,
    )
    const base = unconditional.data[i]!
    const p = guided ? base + guidance! * (conditional.data[i]! - base) : conditional.data[i]!
    const x0 = Math.min(clip[1], Math.max(clip[0], fromX! * value + fromP! * p))
    const before = second ? previousX0Coeff! * previousX0.data[i]! : 0
    return [xCoeff! * value + x0Coeff! * x0 + before + noiseCoeff! * noise[i]!, x0] as const
  })
  const of = (which: 0 | 1): HostArray => ({
    shape: x.shape,
    data: Float64Array.from(pairs, (p) => p[which]),
  })
  return { y: of(0), x0: of(1) }
}

const step = (x: Tensor, conditional: Tensor): DenoiseStep => ({
  x,
  conditional,
  unconditional: undefined,
  previousX0: undefined,
  imageRows: fromArray(imageRows),
  coefficients: fromArray(coefficients, [images, 7]),
  seeds: fromArray(seeds, [images, 4]),
  clip: undefined,
})

describe('denoise', () => {
  const shape = [rows.at(-1)!, C]
  it.each([
    [false, false, undefined],
    [true, false, [-1, 1] as const],
    [false, true, [-0.5, 2] as const],
    [true, true, [-1, 1] as const],
  ])('agrees with the reference: guided %s, second order %s, clipped to %j', async (guided, second, clip) => {
    for (const result of ['y', 'x0'] as const)
      await checkOp({
        inputs: {
          x: randomArray(shape),
          conditional: randomArray(shape, 2),
          unconditional: randomArray(shape, 3),
          previousX0: randomArray(shape, 4),
        },
        run: ({ x, conditional, unconditional, previousX0 }) =>
          denoise({
            ...step(x, conditional),
            unconditional: guided ? unconditional : undefined,
            previousX0: second ? previousX0 : undefined,
            clip,
          })[result],
        reference: (arrays) => reference(arrays, guided, second, clip ?? [-Infinity, Infinity])[result],
        gradients: [],
        tolerance: 'elementwise',
      })
  })

  it('does not clip a NaN away', async () => {
    const bad = new Float32Array(shape[0]! * C)
    bad[40] = NaN
    const { x0 } = denoise({ ...step(zeros(shape), fromArray(bad, shape)), clip: [-1, 1] })
    const values = await x0.readFloats()
    expect(Array.from(values.keys()).filter((i) => Number.isNaN(values[i]))).toEqual([40])
  })

  it('names the argument and the value received', async () => {
    const [x, other] = [zeros(shape), zeros([5, C])]
    const short = denoise(step(other, other))
    await expect(short.y.read()).rejects.toThrow(
      'denoise: image_rows[4] must be the number of rows, 5, received 1065',
    )
    expect(() => denoise(step(x, other))).toThrow('denoise: conditional must have shape [1065, 3]')
    expect(() => denoise({ ...step(x, x), previousX0: zeros(shape, 'bf16') })).toThrow(
      'denoise: previousX0 must be f32',
    )
    expect(() => denoise({ ...step(x, x), coefficients: zeros([4, 6]) })).toThrow(
      'denoise: coefficients must have shape [4, 7]',
    )
    expect(() => denoise({ ...step(x, x), clip: [1, -1] })).toThrow('denoise: clip must be a range')
  })
})
