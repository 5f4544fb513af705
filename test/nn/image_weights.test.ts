import { describe, expect, it } from 'vitest'
import { backward } from '../../lib/autograd/tape.js'
import type { ParameterArena } from '../../lib/nn/arena.js'
import { KvCache } from '../../lib/nn/kv_cache.js'
import { type ModalityStreams, Transformer } from '../../lib/nn/transformer.js'
import type { TransformerSizes } from '../../lib/nn/transformer_block.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { splitRows } from '../../lib/ops/row_groups.js'
import { startProfile } from '../../lib/profiling/profile.js'
import { fence } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { hostArray, randomArray, toTensor } from '../host_array.js'
import { packedSpans } from '../reference/attention.js'
import { ropeTableReference } from '../reference/rope.js'
import { transformerReference } from '../reference/transformer.js'
import { moduleOf, random, randomize, read } from './parts.js'

/** Text 0 1, an image 2 3 4, text 5; text 6, an image 7 8. The second image stands first, as in the engine's order. */
const hostSpans = packedSpans([
  [2, -3, 1],
  [1, -2],
])
const [text, image] = [
  [0, 1, 5, 6],
  [7, 8, 2, 3, 4],
]
const T = 9
const ints = (...values: number[]): Tensor => fromArray(Int32Array.from(values))
const spans = () => ({
  keyStart: fromArray(hostSpans.keyStart),
  keyEnd: fromArray(hostSpans.keyEnd),
  queryRows: fromArray(hostSpans.queryRows),
  keyRows: fromArray(hostSpans.keyRows),
})

const sizes: TransformerSizes = {
  layers: 2,
  channels: 16,
  heads: 4,
  kvHeads: 2,
  feedForward: 24,
  normEps: 1e-5,
  headSize: 6,
  attentionBias: 'all',
  qkNorm: true,
}
const tableHost = ropeTableReference(
  Float32Array.from({ length: T }, (_, t) => t),
  1,
  Float32Array.of(1, 0.3, 0.1),
  new Int32Array(3),
)
const rope = (): Tensor => toTensor(tableHost)
const x = randomArray([T, 16])

const streamsOf = (sequence: Tensor): ModalityStreams => {
  const rows = [ints(...text), ints(...image)]
  const [t, i] = splitRows(sequence, rows) as [Tensor, Tensor]
  return { text: { x: t, rows: rows[0]! }, image: { x: i, rows: rows[1]! } }
}

const newTransformer = (imageWeights: TransformerSizes['imageWeights']) => {
  const made = moduleOf((list) => new Transformer(list, { ...sizes, imageWeights }))
  randomize(made.arena)
  return made
}

async function hostWeights(arena: ParameterArena) {
  const values = arena.parameters.map(async (parameter) => {
    const data = await arena.valuesOf(parameter).readFloats()
    return [parameter.name, hostArray(parameter.shape, data)] as const
  })
  return new Map(await Promise.all(values))
}

const ownNames = {
  'feed-forward': /^feed_forward/,
  all: /./,
}

describe.each(['feed-forward', 'all'] as const)('image weights "%s"', (imageWeights) => {
  const nameAt = (position: number, layer: number | undefined, name: string): string => {
    const own =
      image.includes(position) &&
      (layer === undefined ? imageWeights === 'all' : ownNames[imageWeights].test(name))
    return `${layer === undefined ? '' : `layers.${layer}.`}${own ? 'image.' : ''}${name}`
  }

  it('take each position through the weights of its modality, and attention over all', async () => {
    const { module, arena } = newTransformer(imageWeights)
    using _ = arena
    const y = await read(() =>
      module.forwardStreams(streamsOf(toTensor(x)), { rope: rope(), spans: spans() }),
    )
    const weights = await hostWeights(arena)
    const call = {
      ...sizes,
      headSize: 6,
      weight: (name: string) => weights.get(name),
      nameAt,
      table: tableHost,
      spans: hostSpans,
    }
    compare('y', y, transformerReference(x, call).data, 'f32')
  })

  it("have a counterpart among the text's, treated alike by optimizers", () => {
    const { arena } = newTransformer(imageWeights)
    using _ = arena
    const byName = new Map(arena.parameters.map((parameter) => [parameter.name, parameter]))
    const own = arena.parameters.filter(({ name }) => /(^|\.)image\./.test(name))
    const texts = [...byName.values()].filter((parameter) => !own.includes(parameter))
    expect(own.length).toBe(imageWeights === 'all' ? texts.length : 2 * 3)
    for (const { name, shape, initial, decay, matrixRows } of own)
      expect(byName.get(name.replace('image.', ''))).toMatchObject({
        shape,
        initial,
        decay,
        ...(matrixRows && { matrixRows }),
      })
  })

  it('give what shared weights of the same values give, to the bit', async () => {
    const { module, arena } = newTransformer(imageWeights)
    const shared = newTransformer('shared')
    using _ = arena
    using others = shared.arena
    const values = await hostWeights(others)
    for (const parameter of arena.parameters)
      arena.write(parameter, Float32Array.from(values.get(parameter.name.replace('image.', ''))!.data))
    arena.updated()
    const context = () => ({ rope: rope(), spans: spans() })
    const y = await read(() => module.forwardStreams(streamsOf(toTensor(x)), context()))
    expect(y).toEqual(await read(() => shared.module.forward(toTensor(x), context())))
    expect(y).toEqual(await read(() => module.forward(toTensor(x), context(), 'image')))
  })

  it('have the same gradients, to the bit, where blocks are recomputed, and products of as many operations as shared ones', async () => {
    const { module, arena } = newTransformer(imageWeights)
    const shared = newTransformer('shared')
    using _ = arena
    using others = shared.arena
    const dy = random([T, 16], 9)
    const gradientsOf = async (of: ParameterArena, forward: () => Tensor) => {
      of.zeroGradients()
      await fence()
      const profile = startProfile()
      scope(() => backward(sum(mul(forward(), dy))))
      const { kernels } = await profile.stop()
      const products = kernels.filter(({ name }) => name.startsWith('matmul'))
      return {
        gradients: await of.gradients.readFloats(),
        flops: products.reduce((total, { flops }) => total + flops, 0),
      }
    }
    const context = () => ({ rope: rope(), spans: spans() })
    const own = () => module.forwardStreams(streamsOf(toTensor(x)), context())
    const kept = await gradientsOf(arena, own)
    expect(kept.gradients.filter((value) => value !== 0).length).toBe(arena.parameterCount)
    const sharing = await gradientsOf(others, () => shared.module.forward(toTensor(x), context()))
    expect(kept.flops).toBe(sharing.flops)
    expect(kept.flops).toBeGreaterThan(0)
    module.recomputeBlocks = true
    expect((await gradientsOf(arena, own)).gradients).toEqual(kept.gradients)
  })

  it('give with a cache, call by call, what they give at once', async () => {
    const { module, arena } = newTransformer(imageWeights)
    using _ = arena
    // The first document alone: text, an image with the text before it, the text behind it.
    const [first] = [packedSpans([[2, -3, 1]])]
    const whole = hostArray([6, 16], x.data.slice(0, 6 * 16))
    const part = (start: number, end: number) =>
      toTensor(hostArray([end - start, 16], whole.data.slice(start * 16, end * 16)))
    const tableOf = (start: number, end: number) =>
      toTensor(hostArray([end - start, 6], tableHost.data.slice(start * 6, end * 6)))
    const streams = (start: number, end: number): ModalityStreams => {
      const positions = Array.from({ length: end - start }, (_, i) => i)
      const isImage = (i: number) => start + i >= 2 && start + i < 5
      const rows = [positions.filter((i) => !isImage(i)), positions.filter(isImage)].map((list) =>
        ints(...list),
      )
      const [t, i] = splitRows(part(start, end), rows) as [Tensor, Tensor]
      return { text: { x: t, rows: rows[0]! }, image: { x: i, rows: rows[1]! } }
    }
    const spansOf = (start: number, end: number, keys: number) => ({
      keyStart: fromArray(first!.keyStart.slice(start, end)),
      keyEnd: fromArray(first!.keyEnd.slice(start, end)),
      queryRows: ints(0, end - start),
      keyRows: ints(0, keys),
    })
    const y = await read(() =>
      module.forwardStreams(streams(0, 6), { rope: tableOf(0, 6), spans: spansOf(0, 6, 6) }),
    )
    using kv = new KvCache(6, 2, 2, 6, 'f32')
    const calls = [
      [0, 1],
      [1, 5],
      [5, 6],
    ] as const
    for (const [start, end] of calls) {
      const slots = ints(...Array.from({ length: end - start }, (_, i) => start + i))
      const context = { rope: tableOf(start, end), spans: spansOf(start, end, 6), cache: { kv, slots } }
      const step = await read(() => module.forwardStreams(streams(start, end), context))
      compare(`positions ${start} .. ${end}`, step, y.subarray(start * 16, end * 16), 'f32')
    }
  })
})
