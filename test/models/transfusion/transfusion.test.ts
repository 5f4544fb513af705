import { describe, expect, it } from 'vitest'
import { backward } from '../../../lib/autograd/tape.js'
import type { TransfusionOptions } from '../../../lib/models/transfusion/config.js'
import { uploadAttentionMetadata } from '../../../lib/nn/attention_metadata.js'
import { type TrainingBatch, transfusionLoss } from '../../../lib/models/transfusion/training/loss.js'
import type { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { joinValues } from '../../../lib/image/codec.js'
import type { EncodedPart } from '../../../lib/sequence/image_parts.js'
import type { DocumentParts } from '../../../lib/sequence/document.js'
import { packDocuments } from '../../sequence/pack_documents.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../../lib/tensor/tensor.js'
import { compare } from '../../check_op.js'
import { generator } from '../../host_array.js'
import { perturbedNetwork, testImagePart, tinyConfig, tinyUNet, tokens, trainingBatch } from './tiny_model.js'

const text = (...ids: number[]) => ({ type: 'text' as const, ids })

/** Text around images of two sizes, in three documents; one image stands first, two side by side. */
const documents: DocumentParts<EncodedPart>[] = [
  { parts: [text(5, 6, 7), testImagePart(4, 4, 1)] },
  { parts: [testImagePart(4, 6, 2), text(8, 9)] },
  { parts: [text(10), testImagePart(4, 6, 3), testImagePart(4, 4, 4), text(11, 5)] },
]

const variants: Partial<TransfusionOptions['image']>[] = [
  ...(['before', 'after'] as const).flatMap((timestep) =>
    (['rotary', 'sincos'] as const).map((positions) => ({ timestep, positions })),
  ),
  { weights: 'feed-forward' },
  { weights: 'all', unet: tinyUNet },
  { unet: tinyUNet },
  { unet: { channels: [8], blocks: 1, heads: 2, stem: 2 }, positions: 'sincos' },
]
const configOf = (image: Partial<TransfusionOptions['image']>): TransfusionOptions => ({
  ...tinyConfig,
  image: { ...tinyConfig.image, ...image },
})

/** `hidden` of packed documents whose images have t = 300, row by row. */
async function hiddenRows(
  network: TransfusionNetwork,
  packedDocuments: readonly DocumentParts<EncodedPart>[],
): Promise<Float32Array[]> {
  const packed = packDocuments(packedDocuments, { patch: tinyConfig.image.patch, tokens })
  using hidden = scope(() => {
    const images = {
      values: fromArray(joinValues(packed.images), [-1, 1]),
      t: fromArray(new Float32Array(packed.images.length).fill(300)),
    }
    return network.forward(uploadAttentionMetadata(packed, network.config.image), images).hidden
  })
  const values = await hidden.readFloats()
  const { channels } = tinyConfig
  return Array.from(packed.ids, (_, row) => values.subarray(row * channels, (row + 1) * channels))
}

const changedRows = (before: Float32Array[], after: Float32Array[]) =>
  before.flatMap((row, i) => (row.every((value, c) => value === after[i]![c]) ? [] : [i]))

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i)

describe('TransfusionNetwork.forward', () => {
  it.each([
    ['f32', 'shared'],
    ['bf16', 'shared'],
    ['f32', 'all'],
    ['bf16', 'feed-forward'],
  ] as const)('keeps packed documents apart, to the bit (%s, image weights %s)', async (compute, weights) => {
    using network = await perturbedNetwork(configOf({ weights }), compute)
    const before = await hiddenRows(network, documents)
    expect(before.flatMap((row) => [...row]).every(Number.isFinite)).toBe(true)
    // The second document's rows: BOS, BOI, six patches, EOI, two tokens, end; the first has 11.
    const [first, end] = [11, 23]

    const otherPixels = documents.with(1, { parts: [testImagePart(4, 6, 99), text(8, 9)] })
    expect(changedRows(before, await hiddenRows(network, otherPixels))).toEqual(range(first + 2, end))

    const otherToken = documents.with(1, { parts: [testImagePart(4, 6, 2), text(5, 9)] })
    expect(changedRows(before, await hiddenRows(network, otherToken))).toEqual(range(first + 9, end))
  })

  it.each(variants)('lets the patches of an image see each other, and no text ahead (%o)', async (image) => {
    using network = await perturbedNetwork(configOf(image))
    const part = testImagePart(4, 4, 1)
    const before = await hiddenRows(network, [{ parts: [text(5), part, text(6)] }])
    // BOS, 5, BOI, four patches at rows 3 .. 6, EOI, 6, end. The last pixel is the last patch's.
    const other = { ...part, values: part.values.map((value, i) => (i === 15 ? value + 1 : value)) }
    const after = await hiddenRows(network, [{ parts: [text(5), other, text(6)] }])
    expect(changedRows(before, after)).toEqual(range(3, 10))
  })

  it('tells equal patches apart by their place', async () => {
    for (const image of variants) {
      using network = await perturbedNetwork(configOf(image))
      const part = testImagePart(4, 6, 1)
      const blank = { ...part, values: part.values.map(() => 0.57) }
      const rows = (await hiddenRows(network, [{ parts: [blank] }])).slice(2, 8)
      // With one image and rotary positions alone, all that differs is the distance to BOS, BOI and the others.
      for (const [i, a] of rows.entries())
        for (const b of rows.slice(i + 1))
          expect(a.some((value, c) => Math.abs(value - b[c]!) > 1e-4)).toBe(true)
    }
  })
})

describe('transfusionLoss', () => {
  it.each(variants)('is differentiated in every parameter (%o)', async (image) => {
    using network = await perturbedNetwork(configOf(image))
    void network.arena.gradients
    scope(() => backward(transfusionLoss(network, trainingBatch(documents), { imageWeight: 5 }).total))
    for (const { name, tensor } of network.arena.parameters) {
      const gradient = await tensor.gradientTarget!.gradient.readFloats()
      expect(gradient.every(Number.isFinite), name).toBe(true)
      expect(Math.max(...gradient.map(Math.abs)), name).toBeGreaterThan(1e-5)
    }
  })

  it.each(variants)(
    'has the slope that finite differences find, parameter by parameter (%o)',
    async (image) => {
      using network = await perturbedNetwork(configOf(image))
      const { arena } = network
      const batch = trainingBatch(documents)
      void arena.gradients
      scope(() => backward(transfusionLoss(network, batch, { imageWeight: 5 }).total))
      const next = generator(7)
      for (const parameter of arena.parameters) {
        const gradient = await parameter.tensor.gradientTarget!.gradient.readFloats()
        using values = arena.valuesOf(parameter)
        const own = await values.readFloats()
        // Uphill in each element, at random speeds: the slope is far above the rounding of f32 losses.
        const direction = gradient.map((g) => Math.sign(g) * next())
        const slope = gradient.reduce((total, g, i) => total + g * direction[i]!, 0)
        const step = Math.min(1e-2, 2e-2 / slope)
        const lossAt = async (distance: number): Promise<number> => {
          values.write(own.map((value, i) => value + distance * direction[i]!))
          arena.updated()
          using total = scope(() => transfusionLoss(network, batch, { imageWeight: 5 }).total)
          return (await total.readFloats())[0]!
        }
        const difference = async (distance: number) => (await lossAt(distance)) - (await lossAt(-distance))
        // Free of the third derivative too (Richardson).
        const found = (8 * (await difference(step)) - (await difference(2 * step))) / (12 * step)
        values.write(own)
        expect(Math.abs(found / slope - 1), parameter.name).toBeLessThan(1e-2)
      }
    },
  )

  it('has the gradients of a batch, to rounding, when it is computed in parts', async () => {
    using network = await perturbedNetwork()
    const { arena } = network
    const whole = trainingBatch(documents)
    const denominators = { tokens: whole.packed.targets, images: whole.packed.images.length }
    const gradientsOf = (batches: TrainingBatch[]) => {
      arena.zeroGradients()
      for (const batch of batches)
        scope(() => backward(transfusionLoss(network, batch, { imageWeight: 5 }, denominators).total))
      return arena.gradients.readFloats()
    }
    const expected = await gradientsOf([whole])
    // One image, then three, noised as in the whole batch.
    const parts = [documents.slice(0, 1), documents.slice(1)].map((part, i): TrainingBatch => {
      const [first, end] = i === 0 ? [0, 1] : [1, 4]
      const targets = Object.entries(whole.targets).map(([name, values]) => [name, values.slice(first, end)])
      return {
        ...trainingBatch(part),
        targets: Object.fromEntries(targets) as TrainingBatch['targets'],
        seeds: whole.seeds.slice(4 * first, 4 * end),
      }
    })
    compare('gradients', await gradientsOf(parts), expected, 'f32')
    const first = await gradientsOf(parts.slice(0, 1))
    expect(() => compare('gradients', first, expected, 'f32')).toThrow('gradients')
  })

  it('adds label smoothing and z-loss to the total, and to nothing else', async () => {
    using network = await perturbedNetwork()
    const lossesOf = async (options: object) => {
      const { total, lm } = scope(() =>
        transfusionLoss(network, trainingBatch(documents), { imageWeight: 5, ...options }),
      )
      return { total: (await total.readFloats())[0]!, lm: (await lm!.readFloats())[0]! }
    }
    const plain = await lossesOf({})
    const smoothed = await lossesOf({ labelSmoothing: 0.1 })
    const both = await lossesOf({ labelSmoothing: 0.1, zLoss: 0.01 })
    expect([smoothed.lm, both.lm]).toEqual([plain.lm, plain.lm])
    expect(smoothed.total).not.toBe(plain.total)
    expect(both.total).toBeGreaterThan(smoothed.total)
  })

  it('adds the weighted parts, and leaves out what the batch has not', async () => {
    using network = await perturbedNetwork()
    const lossesOf = async (batchDocuments: readonly DocumentParts<EncodedPart>[]) => {
      const losses = scope(() => transfusionLoss(network, trainingBatch(batchDocuments), { imageWeight: 5 }))
      const read = async (tensor: Tensor | undefined) => (tensor ? (await tensor.readFloats())[0]! : NaN)
      const [total, lm, diffusion] = await Promise.all([
        read(losses.total),
        read(losses.lm),
        read(losses.diffusion),
      ])
      for (const tensor of [losses.total, losses.lm, losses.diffusion]) tensor?.free()
      return { total, lm, diffusion }
    }
    const both = await lossesOf(documents)
    expect(both.total).toBeCloseTo(both.lm + 5 * both.diffusion, 4)
    const textOnly = await lossesOf([{ parts: [text(5, 6)] }])
    expect(textOnly.total).toBe(textOnly.lm)
    expect(textOnly.diffusion).toBeNaN()
    const imageOnly = await lossesOf([{ parts: [testImagePart(4, 4, 1)], end: false, textTargets: false }])
    expect(imageOnly.total).toBeCloseTo(5 * imageOnly.diffusion, 4)
    expect(imageOnly.lm).toBeNaN()
    await expect(lossesOf([])).rejects.toThrow('neither target tokens nor images')
  })
})
