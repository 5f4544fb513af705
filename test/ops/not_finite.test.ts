// A NaN in an element of an argument, or of the gradient of a result, comes out of all that depends on the element, as in
// PyTorch, and of nothing else; infinities change nothing that does not depend on them.
import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { native } from '../../lib/native.js'
import { add } from '../../lib/ops/add.js'
import { attention } from '../../lib/ops/attention.js'
import { cast } from '../../lib/ops/cast.js'
import { crossEntropy } from '../../lib/ops/cross_entropy.js'
import { groupNorm } from '../../lib/ops/group_norm.js'
import { layerNorm } from '../../lib/ops/layer_norm.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { rmsNorm } from '../../lib/ops/rms_norm.js'
import { silu } from '../../lib/ops/silu.js'
import { softmax } from '../../lib/ops/softmax.js'
import { swiglu } from '../../lib/ops/swiglu.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { randomArray } from '../host_array.js'
import { mapTensors, tensorsIn } from '../reliability/op_arguments.js'
import { callOf, type OpCall, opCalls } from '../reliability/op_calls.js'

type Values = Float32Array | Int32Array
type Sizes = Readonly<Record<string, number>>
type DType = 'f32' | 'bf16'

/** They refuse what is not finite by name, or give a gradient to what NaN makes the largest: see their own tests. */
const testedElsewhere = ['argmax', 'sampleTokens', 'timestepEmbedding', 'maxPool']

/** What the calls change of their sizes: whole vectors and some elements more, several tiles, a single row or query. */
const changes: Record<string, Sizes[]> = {
  add: [{ N: 83 }],
  mul: [{ N: 83 }],
  scale: [{ N: 83 }],
  cast: [{ N: 83 }],
  sum: [{ N: 83 }],
  mean: [{ N: 83 }],
  matmul: [
    { M: 33, K: 70, N: 50 },
    { M: 1, K: 70, N: 50 },
  ],
  linear: [
    { T: 33, C: 70, O: 50 },
    { T: 1, C: 70, O: 50 },
  ],
  embedding: [{ C: 83 }],
  rmsNorm: [{ C: 83 }],
  splitRope: [{ F: 20 }],
  attention: [{}, { T: 40, K: 130, G: 1, D: 40 }, { T: 1, G: 1, R: 1, K: 130, D: 40 }],
  conv2d: [{ H: 12, W: 11, C: 16, O: 16 }],
  groupNorm: [{}, { H: 20, W: 20, C: 10 }],
  layerNorm: [{ C: 83 }],
  leakyRelu: [{ N: 83 }],
  silu: [{ N: 83 }],
  swiglu: [{ F: 83 }],
  swigluLinear: [{ T: 33, F: 70, O: 50 }],
  perceptualDistance: [{ C: 83 }, { C: 1100 }],
  softmax: [{ C: 83 }],
  crossEntropy: [{ V: 83 }],
  // A row without a label has gradients of 0, which products multiply by the NaN.
  linearCrossEntropy: [{ T: 2, C: 20, V: 83 }],
  penalizedCrossEntropy: [{ V: 83 }],
  pixelError: [{ S: 83 }],
  sampleLatents: [{ S: 11 }, { S: 83, L: 3 }],
}

/** A product with the zeros of padding, or of places that a stride leaves out, is NaN too. */
const spreads = (exported: string, leaf: number): boolean => exported.startsWith('conv') && leaf === 1

/** The element that is changed. */
const lastPlace = (length: number): number => length - 1
// Not at the border: there a kernel may multiply it by the zeros of the padding.
const innerPlace = (length: number): number => Math.floor(0.7 * length)

/** Runs an op on f32 values, rounded to `dtype`, and the gradients of the sum of its results times `dys`. */
async function run(call: OpCall, values: readonly Values[], dys: readonly Float32Array[], dtype: DType) {
  const gradients: Tensor[] = []
  const results = scope(() => {
    const template = call.arguments()
    const differentiable = call.gradients ?? [...template.keys()]
    let leaf = 0
    const args = template.map((argument, i) =>
      mapTensors(
        argument,
        ({ shape, dtype: own }, key) => {
          const tensor = fromArray(values[leaf++]!, shape)
          const tracked = differentiable.includes(i)
          if (own !== 'f32' || !(tracked || call.alike?.includes(key))) return tensor
          if (tracked && !call.alike?.includes(key)) gradients.push(trackGradient(tensor))
          return cast(tensor, dtype)
        },
        String(i),
      ),
    )
    const outputs = tensorsIn(call.run(...(args as never[])))
    if (gradients.length > 0)
      backward(outputs.map((y, i) => sum(mul(cast(y, 'f32'), fromArray(dys[i]!, y.shape)))).reduce(add))
    return outputs
  })
  const all = [...results, ...gradients]
  const read = await Promise.all(all.map((tensor) => tensor.readFloats()))
  for (const tensor of all) tensor.free()
  return read
}

/** With one element replaced by a float of these bits. */
function withBits(values: Float32Array, place: number, bits: number): Float32Array {
  const copy = values.slice()
  new Uint32Array(copy.buffer)[place] = bits
  return copy
}
const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!

const nans = { NaN: 0x7fc00000, "a GPU's NaN": 0x7fffffff }

async function checkPlaces(exported: string, call: OpCall, placeIn: (length: number) => number) {
  const leaves = tensorsIn(call.arguments())
  const values = await Promise.all(
    leaves.map(async ({ shape, dtype }, i, all) =>
      dtype === 'f32' ? Float32Array.from(randomArray(shape, i + 1, 0.7).data) : all[i]!.read(),
    ),
  )
  const shapes = scope(() => tensorsIn(call.run(...(call.arguments() as never[]))).map(({ shape }) => shape))
  const dys = call.gradients?.length === 0 ? [] : shapes.map((shape, i) => randomArray(shape, i + 50))
  const inputs = [...values, ...dys.map(({ data }) => Float32Array.from(data))]
  const results = (changed: readonly Values[], dtype: DType) =>
    run(call, changed.slice(0, leaves.length), changed.slice(leaves.length) as Float32Array[], dtype)
  const clean = { f32: await results(inputs, 'f32'), bf16: await results(inputs, 'bf16') }

  for (const [n, input] of inputs.entries()) {
    if (!(input instanceof Float32Array)) continue
    const place = placeIn(input.length)
    const withElement = (bits: number) => inputs.with(n, withBits(input, place, bits))
    // What depends on the element is what changes with it, in f32, which shows more of it than bf16.
    const changed = await Promise.all(
      [1.37, -2.63, -1000].map((by) => results(withElement(bitsOf(input[place]! + by)), 'f32')),
    )
    const depends = (result: number, i: number) =>
      changed.some((values) => !Object.is(values[result]![i], clean.f32[result]![i]))
    for (const dtype of ['f32', 'bf16'] as const)
      for (const [name, bits] of Object.entries({
        ...nans,
        Infinity: bitsOf(Infinity),
        '-Infinity': bitsOf(-Infinity),
      })) {
        const spoiled = await results(withElement(bits), dtype)
        const wrong = spoiled.flatMap((values, result) =>
          [...values.keys()].flatMap((i) => {
            const right = depends(result, i)
              ? !(name in nans) || Number.isNaN(values[i])
              : spreads(exported, n) || Object.is(values[i], clean[dtype][result]![i])
            return right ? [] : [`result ${result}, element ${i}: ${values[i]}`]
          }),
        )
        const input = n < leaves.length ? `tensor ${n}` : `gradient ${n - leaves.length}`
        expect(wrong.slice(0, 3), `${dtype}, ${name} in element ${place} of ${input}`).toEqual([])
      }
  }
}

const tested = Object.keys(opCalls).filter((name) => !testedElsewhere.includes(name))

describe.each(tested)('%s', (exported) => {
  it.each(changes[exported] ?? [{}])('NaN and infinity show where they should: %j', async (changed) => {
    const base = callOf(exported)
    const sizes = { ...base.sizes, ...changed }
    const call = { ...base, arguments: (more?: Sizes) => base.arguments({ ...sizes, ...more }) }
    for (const placeIn of exported === 'conv2d' ? [innerPlace] : [innerPlace, lastPlace])
      await checkPlaces(exported, call, placeIn)
  })
})

/** What kind of value each is: n NaN, + and - infinities, 0 zero, . any other. */
const kinds = (values: Float32Array): string =>
  Array.from(values, (value) =>
    Number.isNaN(value) ? 'n' : value === 0 ? '0' : Number.isFinite(value) ? '.' : value > 0 ? '+' : '-',
  ).join('')

const row = (...values: number[]): Tensor => fromArray(Float32Array.from(values), [1, values.length])
const label = (id: number): Tensor => fromArray(Int32Array.of(id))
/** Of one query on two keys of size 1. */
const attended = (q: number, keys: [number, number], dtype: DType): Tensor => {
  const ints = (...values: number[]) => fromArray(Int32Array.from(values))
  const spans = { keyStart: ints(0), keyEnd: ints(2), queryRows: ints(0, 1), keyRows: ints(0, 2) }
  const [query, key, value] = [row(q), row(...keys), row(5, 6)].map((tensor) =>
    cast(tensor.view([tensor.elements, 1, 1]), dtype),
  )
  return attention(query!, key!, value!, spans)
}
const ones = (count: number, dtype: DType): Tensor => full([count], 1, dtype)

// As PyTorch's CPU kernels give them.
describe.each<DType>(['f32', 'bf16'])('infinities in %s', (dtype) => {
  const of = (...values: number[]): Tensor => cast(row(...values), dtype)
  it.each<[string, () => Tensor, string]>([
    ['softmax: the largest', () => softmax(of(1, Infinity, 2)), 'nnn'],
    ['softmax: a negative one', () => softmax(of(1, -Infinity, 2)), '.0.'],
    ['softmax: of negative ones alone', () => softmax(of(-Infinity, -Infinity)), 'nn'],
    ['cross-entropy: the largest logit', () => crossEntropy(of(1, Infinity, 2), label(0)), 'n'],
    ['cross-entropy: a token of no probability', () => crossEntropy(of(1, -Infinity, 2), label(0)), '.'],
    ['cross-entropy: of that token', () => crossEntropy(of(1, -Infinity, 2), label(1)), '+'],
    ['silu', () => silu(of(-Infinity, Infinity, -3e38, 3e38)), 'n+0.'],
    ['swiglu', () => swiglu(of(-Infinity, Infinity, -3e38, 2, 2, 2)), 'n+0'],
    ['rms_norm', () => rmsNorm(of(Infinity, 1, -2), ones(3, dtype), 1e-5), 'n00'],
    ['layer_norm', () => layerNorm(of(Infinity, 1, -2), ones(3, dtype), zeros([3], dtype)), 'nnn'],
    [
      'group_norm: in one of two groups',
      () => groupNorm(of(Infinity, 1, 3, -2).view([1, 1, 1, 4]), ones(4, dtype), zeros([4], dtype), 2),
      'nn..',
    ],
    ['attention: the largest score', () => attended(1, [1, Infinity], dtype), 'n'],
    ['attention: a negative one', () => attended(1, [1, -Infinity], dtype), '.'],
  ])('%s', async (_, compute, expected) => {
    const y = scope(compute)
    expect(kinds(await y.readFloats())).toBe(expected)
    y.free()
  })
})

it("muon_momentum: a momentum that is not finite takes the matrix's whole direction", async () => {
  const direction = zeros([2, 3])
  const momentum = fromArray(Float32Array.of(0, 0, NaN, 0, 0, 0), [2, 3])
  const clip = fromArray(Float32Array.of(1, 1, 1))
  native.muon_momentum(momentum.handle, direction.handle, full([2, 3], 1).handle, clip.handle, 0.9)
  expect(kinds(await direction.readFloats())).toBe('nnnnnn')
})
