import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import { objectiveSchema } from '../../../../lib/diffusion/objective.js'
import { saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import { fromPretrained } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { initializeFrom, type InitializeOptions } from '../../../../lib/models/transfusion/io/initialize.js'
import { memory } from '../../../../lib/tensor/device.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { llamaFolder, llamaTokenizer, llamaTokenizerJson, writeConfig } from './llama_folder.js'
import { perturbedNetwork, tinyConfig } from '../tiny_model.js'

const objective = objectiveSchema.parse({ prediction: 'v', weighting: 'minSnr' })
const { vocabulary: _, tokens: __, ...sizes } = tinyConfig

async function modelFolder() {
  const folder = await temporaryFolder()
  const network = await perturbedNetwork()
  const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
  await saveModel(folder, { network, tokenizer, objective, imagePreprocessing: { resize: 'contain' } })
  return { folder, network }
}

async function grownLlamaFolder() {
  const folder = await llamaFolder()
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
  return folder
}

describe('weights to start from', () => {
  it("are a model folder's, with its tokenizer and what the options leave out", async () => {
    const { folder, network } = await modelFolder()
    using own = network
    const model = await initializeFrom(folder, { sizes, objective: { weighting: 'x0' }, compute: 'bf16' })
    using loaded = model.network
    expect(await loaded.arena.values.readFloats()).toEqual(await own.arena.values.readFloats())
    expect(loaded.compute).toBe('bf16')
    expect([...(await model.tokenizer.encode('g a'))]).toEqual([11, 5])
    expect(model.objective).toEqual({ ...objective, weighting: 'x0' })
    expect(model.imagePreprocessing).toMatchObject({ width: 6, height: 4, resize: 'contain' })
    using whole = (await initializeFrom(folder)).network
    expect(whole.config).toEqual(own.config)
  })

  it.each<[InitializeOptions, string]>([
    [{ sizes: { ...sizes, layers: 3 } }, 'layers is 2, expected 3'],
    [{ sizes: { feedForward: 64 } }, 'feedForward is 48, expected 64'],
    [{ sizes: { kvHeads: 1 } }, 'kvHeads is 2, expected 1'],
    [{ sizes: { image: { ...sizes.image, patch: 4 } } }, 'image.patch is 2, expected 4'],
    [{ objective: { prediction: 'eps' } }, 'prediction is "v", expected "eps"'],
    [{ objective: { process: 'flow', prediction: 'v' } }, 'process is "ddpm", expected "flow"'],
  ])('are refused where %j differs, and nothing stays allocated', async (options, message) => {
    const { folder, network } = await modelFolder()
    network[Symbol.dispose]()
    const before = memory().tensors
    await expect(initializeFrom(folder, options)).rejects.toThrow(
      `${join(folder, 'config.json')}: its weights cannot be taken: ${message}`,
    )
    expect(memory().tensors).toBe(before)
  })

  it("are a Llama's, with image parts of the sizes given", async () => {
    const folder = await grownLlamaFolder()
    const { image } = sizes
    const tokenizer = llamaTokenizer({})
    using wanted = (await fromPretrained(folder, { image, tokenizer, seed: 4 })).network
    using found = (await initializeFrom(folder, { sizes: { layers: 2, image }, seed: 4 })).network
    expect(await found.arena.values.readFloats()).toEqual(await wanted.arena.values.readFloats())
    await expect(initializeFrom(folder, { sizes: { channels: 128, image } })).rejects.toThrow(
      'channels is 64, expected 128',
    )
    await expect(initializeFrom(folder)).rejects.toThrow('a language model has no images')
  })

  it('may have a size in digits that f32 has rounded', async () => {
    const folder = await grownLlamaFolder()
    const { image } = sizes
    await writeConfig(folder, { rms_norm_eps: 0.000009999999747378752 })
    using found = (await initializeFrom(folder, { sizes: { normEps: 1e-5, image } })).network
    expect(found.config.normEps).toBe(0.000009999999747378752)
    await expect(initializeFrom(folder, { sizes: { normEps: 1.00001e-5, image } })).rejects.toThrow(
      'normEps is 0.000009999999747378752, expected 0.0000100001',
    )
  })
})
