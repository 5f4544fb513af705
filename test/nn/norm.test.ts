import { expect, it } from 'vitest'
import { LayerNorm, RmsNorm } from '../../lib/nn/norm.js'
import { compare } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'
import { moduleOf, randomize, read, valuesOf } from './parts.js'

const [rows, channels] = [4, 6]
const x = randomArray([rows, channels])
const rowOf = (i: number) => x.data.subarray(Math.floor(i / channels) * channels).subarray(0, channels)
const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length

it('RmsNorm divides by the root of the mean square and begins with a weight of one', async () => {
  const { module, arena } = moduleOf((list) => new RmsNorm(list, channels, 0.25))
  using _ = arena
  expect(await valuesOf(arena, 'weight')).toEqual(new Float32Array(channels).fill(1))
  randomize(arena)
  const weight = await valuesOf(arena, 'weight')
  const expected = x.data.map((value, i) => {
    const meanSquare = meanOf(rowOf(i).map((v) => v * v))
    return (value / Math.sqrt(meanSquare + 0.25)) * weight[i % channels]!
  })
  compare('y', await read(() => module.forward(toTensor(x))), expected, 'f32')
})

it.each([false, true])(
  'LayerNorm subtracts the mean (SiLU: %s) and begins with ones and zeros',
  async (silu) => {
    const { module, arena } = moduleOf((list) => new LayerNorm(list, channels, silu))
    using _ = arena
    expect(await valuesOf(arena, 'weight')).toEqual(new Float32Array(channels).fill(1))
    expect(await valuesOf(arena, 'bias')).toEqual(new Float32Array(channels))
    randomize(arena)
    const [weight, bias] = [await valuesOf(arena, 'weight'), await valuesOf(arena, 'bias')]
    const expected = x.data.map((value, i) => {
      const row = rowOf(i)
      const mean = meanOf(row)
      const variance = meanOf(row.map((v) => (v - mean) ** 2))
      const y = ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i % channels]! + bias[i % channels]!
      return silu ? y / (1 + Math.exp(-y)) : y
    })
    compare('y', await read(() => module.forward(toTensor(x))), expected, 'f32')
  },
)
