import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../../../lib/files/safetensors/safetensors.js'
import { joinValues } from '../../../../lib/image/codec.js'
import { objectiveSchema } from '../../../../lib/diffusion/objective.js'
import type { ImageWeights } from '../../../../lib/models/transfusion/config.js'
import { isImageParameter } from '../../../../lib/models/transfusion/image_parameters.js'
import { loadModel, saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import { fromPretrained } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { initializeFrom } from '../../../../lib/models/transfusion/io/initialize.js'
import { toLlama } from '../../../../lib/models/transfusion/io/to_llama.js'
import { TransfusionNetwork } from '../../../../lib/models/transfusion/model.js'
import { uploadAttentionMetadata } from '../../../../lib/nn/attention_metadata.js'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import type { DocumentParts } from '../../../../lib/sequence/document.js'
import type { EncodedPart } from '../../../../lib/sequence/image_parts.js'
import { scope } from '../../../../lib/tensor/scope.js'
import { fromArray } from '../../../../lib/tensor/tensor.js'
import { packDocuments } from '../../../sequence/pack_documents.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { perturbedNetwork, testImagePart, tinyConfig, tokens } from '../tiny_model.js'
import { fixture, llamaFolder, llamaTokenizer, llamaTokenizerJson } from './llama_folder.js'

const objective = objectiveSchema.parse({})
const tokenizer = makeCaptionTokenizer(['a b c d e f g'])

const tinyWith = (weights: ImageWeights) => ({ ...tinyConfig, image: { ...tinyConfig.image, weights } })

async function savedFolder(network: TransfusionNetwork): Promise<string> {
  const folder = await temporaryFolder()
  await saveModel(folder, { network, tokenizer, objective })
  return folder
}

/** `hidden` and the prediction of a document of text and an image; `ids` begin the vocabulary's words. */
async function outputsOf(network: TransfusionNetwork, images = true): Promise<Float32Array[]> {
  const { patch } = network.config.image
  const word = { type: 'text' as const, ids: [5, 6, 7] }
  const document: DocumentParts<EncodedPart> = {
    parts: images ? [word, testImagePart(4, 4, 1), word] : [word],
  }
  const packed = packDocuments([document], { patch, tokens: { ...tokens, ...network.config.tokens } })
  const { hidden, prediction } = scope(() => {
    const metadata = uploadAttentionMetadata(packed, network.config.image)
    const noised = images && {
      values: fromArray(joinValues(packed.images), [-1, 1]),
      t: fromArray(Float32Array.of(300)),
    }
    const output = network.forward(metadata, noised || undefined)
    return {
      hidden: output.hidden,
      prediction: images ? network.imagePrediction(output, metadata) : output.hidden,
    }
  })
  return [await hidden.readFloats(), await prediction.readFloats()]
}

const valuesOf = async ({ arena }: TransfusionNetwork, chosen: (name: string) => boolean) => {
  const values = arena.parameters
    .filter(({ name }) => chosen(name))
    .map(async (parameter) => [parameter.name, await arena.valuesOf(parameter).readFloats()] as const)
  return new Map(await Promise.all(values))
}

/** Moves the parameters that are chosen. */
async function disturb({ arena }: TransfusionNetwork, chosen: (name: string) => boolean): Promise<void> {
  for (const parameter of arena.parameters.filter(({ name }) => chosen(name)))
    arena.write(
      parameter,
      (await arena.valuesOf(parameter).readFloats()).map((value) => value * 1.1 + 0.01),
    )
  arena.updated()
}

const isOwn = (name: string) => /(^|\.)image\./.test(name)

describe('weights of their own for image positions', () => {
  it('leave the other parameters of a new model with the values that the same seed gives without them', async () => {
    const networks = (['shared', 'feed-forward', 'all'] as const).map((weights) => {
      const network = new TransfusionNetwork(tinyWith(weights))
      network.arena.initialize(3)
      return network
    })
    const [shared, ...own] = await Promise.all(
      networks.map((network) => valuesOf(network, (name) => !isOwn(name))),
    )
    for (const values of own) expect(values).toEqual(shared)
    const all = await valuesOf(networks[2]!, () => true)
    expect(all.get('layers.0.image.attention.qkv.weight')).not.toEqual(
      all.get('layers.0.attention.qkv.weight'),
    )
    for (const network of networks) network[Symbol.dispose]()
  })

  it.each(['feed-forward', 'all'] as const)('are saved and loaded: %s', async (weights) => {
    using network = await perturbedNetwork(tinyWith(weights))
    using loaded = (await loadModel(await savedFolder(network))).network
    expect(loaded.config.image.weights).toBe(weights)
    expect(await loaded.arena.values.readFloats()).toEqual(await network.arena.values.readFloats())
  })

  it.each([
    ['shared', 'feed-forward', 'f32'],
    ['shared', 'all', 'bf16'],
    ['feed-forward', 'all', 'f32'],
  ] as const)(
    'begin, where a folder has "%s" and "%s" is wanted, as copies: its outputs to the bit (%s)',
    async (stored, wanted, compute) => {
      using network = await perturbedNetwork(tinyWith(stored), compute)
      const folder = await savedFolder(network)
      const sizes = { image: tinyWith(wanted).image }
      using grown = (await initializeFrom(folder, { sizes, compute })).network
      expect(grown.config.image.weights).toBe(wanted)
      expect(await outputsOf(grown)).toEqual(await outputsOf(network))
      using same = (await initializeFrom(folder)).network
      expect(same.config).toEqual(network.config)
    },
  )

  it('are not given up', async () => {
    using network = await perturbedNetwork(tinyWith('all'))
    const folder = await savedFolder(network)
    for (const weights of ['shared', 'feed-forward'] as const)
      await expect(initializeFrom(folder, { sizes: { image: tinyWith(weights).image } })).rejects.toThrow(
        `its weights cannot be taken: image.weights is "all", expected "${weights}"`,
      )
    using kept = (await initializeFrom(folder, { sizes: { image: tinyConfig.image } })).network
    expect(kept.config.image.weights).toBe('all')
  })

  it.each(['feed-forward', 'all'] as const)("begin as copies of a language model's: %s", async (weights) => {
    const image = { channels: 1, patch: 2, height: 4, width: 4 }
    const read = async (of: ImageWeights) =>
      (
        await fromPretrained(fixture, {
          image: { ...image, weights: of },
          tokenizer: llamaTokenizer({ images: true }),
        })
      ).network
    using shared = await read('shared')
    using own = await read(weights)
    expect(await outputsOf(own)).toEqual(await outputsOf(shared))
    const before = await outputsOf(own, false)
    await disturb(own, isImageParameter)
    expect(await outputsOf(own, false)).toEqual(before)
    const changed = await outputsOf(own)
    expect(changed[0]).not.toEqual((await outputsOf(shared))[0])
  })

  it('stay out of an exported language model', async () => {
    using shared = await perturbedNetwork(tinyWith('shared'))
    using own = (await initializeFrom(await savedFolder(shared), { sizes: { image: tinyWith('all').image } }))
      .network
    await disturb(own, isImageParameter)
    const folders = [await temporaryFolder(), await temporaryFolder()]
    for (const [i, network] of [shared, own].entries()) await toLlama(folders[i]!, { network, tokenizer })
    const [a, b] = await Promise.all(
      folders.map((folder) => readSafetensors(join(folder, 'model.safetensors'))),
    )
    expect(b).toEqual(a)
  })

  it("are a language model's that a run begins with", async () => {
    const folder = await llamaFolder()
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
    const image = { ...tinyConfig.image, weights: 'feed-forward' as const }
    using network = (await initializeFrom(folder, { sizes: { image } })).network
    const values = await valuesOf(network, () => true)
    expect(values.get('layers.1.image.feed_forward.down.weight')).toEqual(
      values.get('layers.1.feed_forward.down.weight'),
    )
    expect([...values.keys()].filter(isOwn).every((name) => name.includes('feed_forward'))).toBe(true)
  })
})

it('metadata that was not uploaded for the model is refused by name', async () => {
  using network = await perturbedNetwork(tinyWith('all'))
  const packed = packDocuments([{ parts: [testImagePart(4, 4, 1)] }], { patch: 2, tokens })
  const forward = () =>
    scope(() => {
      const images = {
        values: fromArray(joinValues(packed.images), [-1, 1]),
        t: fromArray(Float32Array.of(3)),
      }
      return network.forward(uploadAttentionMetadata(packed, tinyConfig.image), images).hidden
    })
  expect(forward).toThrow('metadata must have the rows of text')
})
