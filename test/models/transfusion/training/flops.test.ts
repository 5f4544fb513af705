import { expect, it } from 'vitest'
import { transfusionConfigSchema } from '../../../../lib/models/transfusion/config.js'
import { trainingFlops } from '../../../../lib/models/transfusion/training/flops.js'
import { transfusionParameters } from '../../../../lib/models/transfusion/model.js'
import { packDocuments } from '../../../sequence/pack_documents.js'
import { testImagePart, tinyConfig, tinyUNet, tokens } from '../tiny_model.js'

/** Elements of the matrices whose names begin so. */
const matrixElements = (options: typeof tinyConfig, prefix: string): number =>
  transfusionParameters(options)
    .filter(({ name, shape }) => name.startsWith(prefix) && shape.length === 2)
    .reduce((sum, { shape }) => sum + shape[0]! * shape[1]!, 0)

it('counts each matrix by the rows that it is multiplied with, and attention by the pairs that see each other', () => {
  const options = { ...tinyConfig, kvHeads: 1 }
  const text = (...ids: number[]) => ({ type: 'text', ids }) as const
  const documents = [{ parts: [text(5, 6, 7)] }, { parts: [text(8), testImagePart(4, 6, 1)] }]
  const packed = packDocuments(documents, { patch: 2, tokens })
  // BOS 5 6 7 END, then BOS 8 BOI, six patches, EOI END.
  const [T, P, N] = [5 + 11, 6, 1]
  const targets = packed.labels.filter((label) => label >= 0).length
  const causal = (n: number) => (n * (n + 1)) / 2
  // Each patch sees all six; of what is causal a patch would see those before it alone.
  const pairs = causal(5) + causal(11) + 6 * 6 - causal(6)
  const products =
    T * matrixElements(options, 'layers') +
    targets * matrixElements(options, 'output') +
    P * (matrixElements(options, 'patch_encoder.projection') + matrixElements(options, 'patch_decoder')) +
    N * matrixElements(options, 'patch_encoder.timestep')
  expect(packed.ids).toHaveLength(T)
  expect(trainingFlops(transfusionConfigSchema.parse(options), packed)).toBe(
    6 * products + 12 * options.layers * options.channels * pairs,
  )
})

it('counts a U-Net by the positions of the level that each weight is used on', () => {
  const text: { type: 'text'; ids: number[] } = { type: 'text', ids: [8] }
  const packed = packDocuments([{ parts: [text, testImagePart(4, 6, 1), testImagePart(8, 4, 2)] }], {
    patch: 2,
    tokens,
  })
  const flopsOf = (unet?: typeof tinyUNet) =>
    trainingFlops(
      transfusionConfigSchema.parse({ ...tinyConfig, image: { ...tinyConfig.image, unet } }),
      packed,
    )
  const linear = transfusionParameters(tinyConfig).filter(({ name }) => name.startsWith('patch_'))
  const unet = transfusionParameters({ ...tinyConfig, image: { ...tinyConfig.image, unet: tinyUNet } })
  const positions = [4 * 6 + 8 * 4, 6 + 8]
  const [images, patches] = [2, positions[1]!]
  let products = 0
  for (const { name, shape } of unet.filter(
    ({ name, shape }) => name.startsWith('patch_') && shape.length > 1,
  )) {
    const elements = shape.reduce((a, b) => a * b)
    // Downsampling and upsampling are computed at the coarser level's positions; the lowest level has the attention.
    const low = /levels\.1|downsample|upsample|attention|coder\.projection/.test(name)
    products += elements * (/timestep|pooled_context/.test(name) ? images : positions[low ? 1 : 0]!)
  }
  const seen = 6 ** 2 + 8 ** 2
  products += 2 * tinyUNet.blocks * 2 * seen * 16
  for (const { name, shape } of linear.filter(({ shape }) => shape.length > 1))
    products -= shape.reduce((a, b) => a * b) * (/timestep/.test(name) ? images : patches)
  expect(flopsOf(tinyUNet) - flopsOf()).toBe(6 * products)
})
