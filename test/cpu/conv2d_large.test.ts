import { describe, expect, it } from 'vitest'
import { type Conv2dWindow, conv2d } from '../../lib/ops/conv2d.js'
import { setThreads } from '../../lib/tensor/device.js'
import type { Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import { nativeWindow, passes } from '../ops/conv2d_passes.js'

/** Single elements of the result and of both gradients, in float64. */
function referenceElements(
  { x, weight, dy }: { x: HostArray; weight: HostArray; dy: HostArray },
  options: Conv2dWindow,
) {
  const { stride, before, groups } = nativeWindow(options)
  const N = x.shape[0]!
  const [O, Kh, Kw, I] = weight.shape as [number, number, number, number]
  const [Ho, Wo] = dy.shape.slice(1) as [number, number]
  const perGroup = O / groups
  const at = (
    { data, shape: [, rows, columns, channels] }: HostArray,
    n: number,
    i: number,
    j: number,
    c: number,
  ) =>
    Number.isInteger(i) && Number.isInteger(j) && i >= 0 && i < rows! && j >= 0 && j < columns!
      ? data[((n * rows! + i) * columns! + j) * channels! + c]!
      : 0
  const split = (place: number, [, rows, columns, channels]: readonly number[]) =>
    [
      Math.floor(place / channels! / columns! / rows!),
      Math.floor(place / channels! / columns!) % rows!,
      Math.floor(place / channels!) % columns!,
      place % channels!,
    ] as const
  return {
    y(place: number) {
      const [n, i, j, o] = split(place, dy.shape)
      const first = Math.floor(o / perGroup) * I
      let sum = 0
      for (let u = 0; u < Kh; u++)
        for (let v = 0; v < Kw; v++)
          for (let c = 0; c < I; c++)
            sum +=
              at(x, n, i * stride - before + u, j * stride - before + v, first + c) * at(weight, o, u, v, c)
      return sum
    },
    dx(place: number) {
      const [n, h, w, c] = split(place, x.shape)
      const first = Math.floor(c / I) * perGroup
      let sum = 0
      for (let u = 0; u < Kh; u++)
        for (let v = 0; v < Kw; v++)
          for (let o = first; o < first + perGroup; o++)
            sum +=
              at(dy, n, (h + before - u) / stride, (w + before - v) / stride, o) * at(weight, o, u, v, c % I)
      return sum
    },
    dweight(place: number) {
      const [o, u, v, c] = split(place, weight.shape)
      const channel = Math.floor(o / perGroup) * I + c
      let sum = 0
      for (let n = 0; n < N; n++)
        for (let i = 0; i < Ho; i++)
          for (let j = 0; j < Wo; j++)
            sum += at(x, n, i * stride - before + u, j * stride - before + v, channel) * at(dy, n, i, j, o)
      return sum
    },
  }
}

/** Places of an element in each row of a tensor [N, rows, ...]. */
function oneOfEachRow(shape: readonly number[]): number[] {
  const row = shape.slice(2).reduce((a, b) => a * b)
  return Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i * row + ((i * 7919 + 13) % row))
}

// Enough products for each image to be cut into strips, of which the last one is shorter.
const cases: [number[], number[], Conv2dWindow][] = [
  [[1, 97, 64, 64], [64, 3, 3, 64], { padding: 1 }],
  [[2, 131, 129, 64], [96, 3, 3, 64], { stride: 2, padding: [0, 1] }],
  [[1, 81, 64, 48], [80, 4, 4, 48], { padding: [2, 1] }],
  [[3, 31, 33, 96], [80, 3, 3, 96], { padding: 1 }],
  [[1, 160, 160, 80], [96, 1, 1, 80], {}],
  [[1, 90, 80, 96], [128, 3, 3, 48], { padding: 1, groups: 2 }],
  [[1, 70, 71, 65], [67, 3, 3, 65], { padding: [2, 0] }],
  [[1, 100, 99, 64], [96, 5, 5, 64], { stride: 3, padding: 1 }],
]

// Images whose work is cut into parts, in the CPU's kernels alone: the simulated GPU would take hours.
describe.each(['f32', 'bf16'] as const)('conv2d of large images of %s', (dtype) => {
  function inputsOf(shape: number[], of: number[], options: Conv2dWindow) {
    const x = roundTo(randomArray(shape), dtype)
    const weight = roundTo(randomArray(of, 2), dtype)
    const [xTensor, weightTensor] = [toTensor(x, dtype), toTensor(weight, dtype)]
    const { shape: outputs } = conv2d(xTensor, weightTensor, undefined, options)
    const dy = roundTo(randomArray([...outputs], 3), dtype)
    return { arrays: { x, weight, dy }, x: xTensor, weight: weightTensor, dy: toTensor(dy, dtype) }
  }

  it.each(cases)('agrees with the reference: x %j, weight %j, %j', async (shape, of, options) => {
    const { arrays, x, weight, dy } = inputsOf(shape, of, options)
    const found = passes(x, weight, dy, options)
    const at = referenceElements(arrays, options)
    const checked = async (name: string, result: Tensor, expected: (place: number) => number) => {
      const values = await result.readFloats()
      const places = oneOfEachRow(result.shape)
      compare(
        name,
        places.map((place) => values[place]!),
        places.map(expected),
        result.dtype as 'f32' | 'bf16',
      )
    }
    for (const [i, name] of (['y', 'dx', 'dweight'] as const).entries())
      await checked(name, found[i]!, at[name])

    const bias = roundTo(randomArray([shape[0]!, of[0]!], 4), dtype)
    const residual = roundTo(randomArray([...dy.shape], 5), dtype)
    const y = conv2d(x, weight, toTensor(bias, dtype), { ...options, residual: toTensor(residual, dtype) })
    const perImage = dy.elements / shape[0]!
    await checked('y with bias and residual', y, (place) => {
      const added = bias.data[Math.floor(place / perImage) * of[0]! + (place % of[0]!)]!
      return at.y(place) + added + residual.data[place]!
    })
  })

  it.each(cases)('gives the same bits with 1 and with 2 threads: x %j, weight %j, %j', async (...given) => {
    const { x, weight, dy } = inputsOf(...given)
    const results = [1, 2].map((threads) => {
      setThreads(threads)
      return passes(x, weight, dy, given[2])
    })
    for (const i of [0, 1, 2]) {
      const [one, two] = await Promise.all(results.map((tensors) => tensors[i]!.readFloats()))
      expect(Buffer.from(one!.buffer).equals(Buffer.from(two!.buffer))).toBe(true)
    }
  })
})
