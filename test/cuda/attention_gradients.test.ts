// How exact attention's gradients in bf16 are where p and ds are rounded: no less than PyTorch's, of flat rows and of peaked ones.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { empty, fromArray, zeros } from '../../lib/tensor/tensor.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import { attentionGradients, packedSpans } from '../reference/attention.js'

/** Made by fixtures/attention_gradients/make.py: root mean squares of PyTorch's errors. */
interface Case {
  positions: number
  width: number
  /** Times q. */
  sharpness: number
  /** Times a vector that all keys share: dq is what little is left of its products with ds, whose sum is zero. */
  common: number
  dq: number
  dk: number
  dv: number
}
const file = new URL('../fixtures/attention_gradients/errors.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]

function inputsOf({ positions, width, sharpness, common }: Case) {
  const shape = [positions, 1, width]
  const [q, k, v, dy] = [1, 2, 3, 4].map((seed) => randomArray(shape, seed)) as [
    HostArray,
    HostArray,
    HostArray,
    HostArray,
  ]
  const shared = randomArray([1, width], 5).data
  q.data.forEach((value, i) => (q.data[i] = sharpness * value))
  k.data.forEach((value, i) => (k.data[i] = value + common * shared[i % width]!))
  return { q: roundTo(q, 'bf16'), k: roundTo(k, 'bf16'), v: roundTo(v, 'bf16'), dy: roundTo(dy, 'bf16') }
}

/** The gradients that the kernels compute. */
async function run(arrays: ReturnType<typeof inputsOf>, spans: ReturnType<typeof packedSpans>) {
  const [T, H, D] = arrays.q.shape as [number, number, number]
  const [q, k, v, dy] = [arrays.q, arrays.k, arrays.v, arrays.dy].map(
    (array) => toTensor(array, 'bf16').handle,
  ) as [number, number, number, number]
  const [y, yLo, dq, dk, dv] = [1, 2, 3, 4, 5].map(() => zeros([T, H, D], 'bf16'))
  const lse = empty([H, T]).handle
  const { keyStart, keyEnd, queryRows, keyRows } = spans
  const rows = [keyStart, keyEnd, queryRows, keyRows].map((values) => fromArray(values).handle) as [
    number,
    number,
    number,
    number,
  ]
  const scale = 1 / Math.sqrt(D)
  native.attention(y!.handle, yLo!.handle, lse, q, k, v, ...rows, scale)
  native.attention_backward(
    dq!.handle,
    dk!.handle,
    dv!.handle,
    dy,
    y!.handle,
    yLo!.handle,
    lse,
    q,
    k,
    v,
    ...rows,
    scale,
  )
  return { dq: await dq!.readFloats(), dk: await dk!.readFloats(), dv: await dv!.readFloats() }
}

const rootMeanSquare = (values: Float64Array) =>
  Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length)

describe("errors of attention's gradients", () => {
  it.each(cases)(
    'are no larger than those of PyTorch: width $width, sharpness $sharpness, common $common',
    async (found) => {
      const arrays = inputsOf(found)
      const spans = packedSpans([[found.positions]])
      const expected = attentionGradients(arrays, spans, arrays.dy)
      const gradients = await run(arrays, spans)
      for (const name of ['dq', 'dk', 'dv'] as const)
        expect
          .soft(rootMeanSquare(expected[name].map((value, i) => gradients[name][i]! - value)), name)
          .toBeLessThanOrEqual(found[name])
    },
  )
})
