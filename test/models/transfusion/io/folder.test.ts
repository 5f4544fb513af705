import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  readSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../../lib/files/safetensors/safetensors.js'
import { JsonTokenizer } from '../../../../lib/tokenizer/tokenizer.js'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import type { ImagePreprocessingOptions } from '../../../../lib/image/image_preprocessing.js'
import { objectiveSchema } from '../../../../lib/diffusion/objective.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { loadModel, loadWeights, saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import { memory } from '../../../../lib/tensor/device.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { perturbedNetwork, tinyConfig } from '../tiny_model.js'

const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
const objective = objectiveSchema.parse({ prediction: 'v', weighting: 'minSnr' })

async function savedModel() {
  const folder = await temporaryFolder()
  const network = await perturbedNetwork()
  await saveModel(folder, { network, tokenizer, objective })
  return { folder, network }
}

describe('a model folder', () => {
  it('gives back what was saved, to the bit', async () => {
    const { folder, network } = await savedModel()
    const loaded = await loadModel(folder)
    expect(loaded.network.config).toEqual(network.config)
    expect(loaded.objective).toEqual(objective)
    expect([...(await loaded.tokenizer.encode('g a b'))]).toEqual([11, 5, 6])
    expect(await loaded.network.arena.values.readFloats()).toEqual(await network.arena.values.readFloats())

    const again = await temporaryFolder()
    await saveModel(again, loaded)
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors'])
      expect((await readFile(join(again, file))).equals(await readFile(join(folder, file))), file).toBe(true)
    for (const model of [network, loaded.network]) model[Symbol.dispose]()
  })

  it('takes half the space in bf16, and loads the values rounded', async () => {
    const { folder, network } = await savedModel()
    using own = network
    const path = join(folder, 'model.safetensors')
    const { tensors: whole } = await readSafetensors(path)
    const wide = (await stat(path)).size
    await saveModel(folder, { network: own, tokenizer, objective }, 'bf16')
    // Headers are alike: what is saved is 2 bytes of each value.
    expect(wide - (await stat(path)).size).toBeCloseTo(2 * own.arena.parameterCount, -2)
    using loaded = (await loadModel(folder)).network
    for (const parameter of loaded.arena.parameters) {
      using values = loaded.arena.valuesOf(parameter)
      const exact = whole.get(parameter.name)!.data as Float32Array
      const read = await values.readFloats()
      expect(read.every((value, i) => Math.abs(value - exact[i]!) <= Math.abs(exact[i]!) / 256)).toBe(true)
      expect(read.every((value, i) => value === exact[i])).toBe(false)
    }
  })

  it('is refused as a whole: no weight is overwritten by a file with one that does not fit', async () => {
    const { folder, network } = await savedModel()
    using own = network
    const before = await own.arena.values.readFloats()
    const path = join(folder, 'model.safetensors')
    const { tensors } = await readSafetensors(path)
    for (const { data } of tensors.values()) (data as Float32Array).fill(7)
    const last = own.arena.parameters.at(-1)!.name
    tensors.set(last, { dtype: 'f32', shape: [1], data: Float32Array.of(7) })
    await writeSafetensors(path, tensors)
    await expect(loadWeights(own, folder)).rejects.toThrow(last)
    expect(await own.arena.values.readFloats()).toEqual(before)
  })

  it("loads alone where the tokenizer's markers of images have other names", async () => {
    const path = new URL('../../../fixtures/tokenizers/tokenizer-bytelevel.json', import.meta.url).pathname
    const named = await JsonTokenizer.load(path, { boi: '<boi>', eoi: '<eoi>' })
    const { vocabulary: _, tokens: __, ...sizes } = tinyConfig
    using model = Transfusion.create(sizes, named)
    const folder = await temporaryFolder()
    await model.save(folder)
    using loaded = await Transfusion.load(folder)
    expect(loaded.tokenizer).toMatchObject({ boi: named.boi, eoi: named.eoi, bos: named.bos, eos: named.eos })
    await expect(loaded.tokenizer.encode('<boi>')).rejects.toThrow('text must not spell <boi>')
  })

  it('keeps how images are read', async () => {
    const { folder, network } = await savedModel()
    using own = network
    const path = join(folder, 'config.json')
    const config = JSON.parse(await readFile(path, 'utf8'))
    const prepared = { width: 6, height: 4, channels: 1, resize: 'cover', background: [255, 255, 255] }
    expect(config.preprocessing).toEqual({ ...prepared, autoOrient: true })

    const contained = { width: 8, resize: 'contain' } as const
    await saveModel(folder, { network: own, tokenizer, objective, imagePreprocessing: contained })
    using changed = await Transfusion.load(folder)
    expect(changed.imagePreprocessing).toEqual({ ...prepared, ...contained, autoOrient: true })
    const black = { width: 1, height: 1, channels: 3, data: Uint8Array.of(0, 0, 0) } as const
    const { data, ...size } = await changed.readImage(black)
    expect(size).toEqual({ width: 8, height: 4, channels: 1 })
    expect([...data.subarray(0, 8)]).toEqual([255, 255, 0, 0, 0, 0, 255, 255])
  })

  it('made before images had a preprocessing reads them at the size that it generates', async () => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    const path = join(folder, 'config.json')
    const { preprocessing: _, checksums: __, ...config } = JSON.parse(await readFile(path, 'utf8'))
    await writeFile(path, JSON.stringify(config))
    const { network: loaded, imagePreprocessing } = await loadModel(folder)
    loaded[Symbol.dispose]()
    expect(imagePreprocessing).toMatchObject({ width: 6, height: 4, channels: 1, resize: 'cover' })
  })

  it('refuses to read images as the model cannot', async () => {
    const { folder, network } = await savedModel()
    using own = network
    const save = (imagePreprocessing: ImagePreprocessingOptions) =>
      saveModel(folder, { network: own, tokenizer, objective, imagePreprocessing })
    await expect(save({ channels: 3 })).rejects.toThrow(
      "channels: expected 1, as the model's images have; received 3",
    )
    await expect(save({ width: 7 })).rejects.toThrow(
      "width: expected a multiple of the model's patch size (2); received 7",
    )
    await expect(save({ resize: 'cove' as 'cover' })).rejects.toThrow('did you mean "cover"?')
  })

  it('loads for computing in bf16 with the same master values', async () => {
    const { folder, network } = await savedModel()
    using own = network
    using loaded = (await loadModel(folder, { compute: 'bf16' })).network
    expect(loaded.compute).toBe('bf16')
    expect(await loaded.arena.values.readFloats()).toEqual(await own.arena.values.readFloats())
    const [parameter] = loaded.arena.parameters
    expect((await parameter!.tensor.readFloats()).some((value) => value !== 0)).toBe(true)
  })

  it.each<[string, (tensors: Map<string, SafetensorsTensor>) => void, string]>([
    ['missing', (tensors) => tensors.delete('norm.weight'), 'tensor "norm.weight" is missing'],
    [
      'unknown',
      (tensors) => tensors.set('lm_head.weight', { dtype: 'f32', shape: [1], data: Float32Array.of(1) }),
      'the model has no parameter lm_head.weight',
    ],
    [
      'mis-shaped',
      (tensors) => tensors.set('norm.weight', { dtype: 'f32', shape: [4, 8], data: new Float32Array(32) }),
      'tensor "norm.weight" must be F32, BF16, F16 or F64 of shape [32], it is F32 of [4, 8]',
    ],
    [
      'mistyped',
      (tensors) => tensors.set('norm.weight', { dtype: 'i32', shape: [32], data: new Int32Array(32) }),
      'tensor "norm.weight" must be F32, BF16, F16 or F64 of shape [32], it is I32 of [32]',
    ],
  ])('is refused with a %s weight, and nothing stays allocated', async (_what, change, message) => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    const path = join(folder, 'model.safetensors')
    const { tensors } = await readSafetensors(path)
    change(tensors)
    await writeSafetensors(path, tensors)
    const before = memory().tensors
    await expect(loadModel(folder)).rejects.toThrow(message)
    expect(memory().tensors).toBe(before)
  })

  it('is refused with a file missing or malformed, naming it', async () => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    const config = join(folder, 'config.json')
    const json = await readFile(config, 'utf8')
    await writeFile(config, json.replace('"layers"', '"layer"'))
    await expect(loadModel(folder)).rejects.toThrow(/config\.json:\n.*model\.layer: unknown key.*layers/s)
    await writeFile(config, json.slice(0, -20))
    await expect(loadModel(folder)).rejects.toThrow(/config\.json: not JSON/)
    const { checksums: _, ...unsealed } = JSON.parse(json)
    unsealed.model.vocabulary = 13
    await writeFile(config, JSON.stringify(unsealed))
    await expect(loadModel(folder)).rejects.toThrow("the tokenizer has 12 tokens, the model's vocabulary 13")
    await writeFile(config, json)
    await rm(join(folder, 'model.safetensors'))
    await expect(loadModel(folder)).rejects.toThrow('model.safetensors')
  })
})
