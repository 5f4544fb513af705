import { cp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { captionedImage, type ImageDataset } from '../../../lib/data/sources/image_dataset.js'
import type { Image } from '../../../lib/image/image.js'
import { AutoencoderCodec } from '../../../lib/models/autoencoder/codec.js'
import { Trainer } from '../../../lib/models/transfusion/training/trainer.js'
import { memory } from '../../../lib/tensor/device.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { CheckpointFolder } from '../../../lib/training/checkpoint_folder.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { generator } from '../../host_array.js'
import { temporaryFolder } from '../../temporary_folder.js'

/** Three levels, so 4 pixels for each position of 4 channels. */
const autoencoder = fileURLToPath(new URL('../../fixtures/autoencoders/sd', import.meta.url))
const captions = ['up', 'down']

const testImage = (height: number, width: number, seed: number): Image => {
  const next = generator(seed)
  const data = Uint8Array.from({ length: height * width * 3 }, () => Math.floor(next() * 256))
  return { height, width, channels: 3, data }
}

const loadCodec = async (path = autoencoder) => {
  const codec = await AutoencoderCodec.load(path)
  onTestFinished(() => codec[Symbol.dispose]())
  return codec
}

async function newModel(path = autoencoder): Promise<Transfusion> {
  const image = { channels: 4, patch: 2, height: 8, width: 8 }
  const sizes = { layers: 2, channels: 32, heads: 2, feedForward: 64, image }
  const codec = await AutoencoderCodec.load(path)
  const model = Transfusion.create(sizes, makeCaptionTokenizer(captions), { codec })
  onTestFinished(() => model[Symbol.dispose]())
  return model
}

const data: ImageDataset = {
  length: 8,
  classNames: [],
  get: (index) => captionedImage(captions[index % 2]!, testImage(32, 32, index)),
}
const settings = { seed: 1, steps: 3, batchSize: 4, learningRate: { peak: 1e-3, warmupSteps: 1 } }
const pixelsOf = async (model: Transfusion) =>
  (await model.generateImages(captions, [3, 4], { steps: 4 })).map(({ data }) => data)

describe('an autoencoder as the codec of a model', () => {
  it('gives an image the same values whatever images are beside it, of its size and of others', async () => {
    const codec = await loadCodec()
    const images = [testImage(32, 32, 1), testImage(32, 32, 2), testImage(16, 24, 3), testImage(32, 32, 4)]
    const together = await codec.encode(images)
    const alone = await Promise.all(images.map((image) => codec.encode([image])))
    expect([...together]).toEqual(alone.flatMap((values) => [...values]))
    const sizes = images.map(({ height, width }) => ({ height: height / 4, width: width / 4 }))
    const decoded = await codec.decode(together, sizes)
    expect(decoded.map(({ height, width }) => [height, width])).toEqual(
      images.map(({ height, width }) => [height, width]),
    )
    for (const [i, values] of alone.entries())
      expect(await codec.decode(values, [sizes[i]!])).toEqual([decoded[i]])
  })

  it('is there again where the model is loaded, from its folder alone, after training too', async () => {
    const folder = await temporaryFolder()
    const source = join(folder, 'vae')
    await cp(autoencoder, source, { recursive: true })
    const model = await newModel(source)
    using trainer = new Trainer(model, data, settings)
    const losses: number[] = []
    await trainer.run({ onStep: ({ terms }) => void losses.push(terms['diffusion']!) })
    expect(losses.every(Number.isFinite)).toBe(true)
    // As somebody may do while it is trained.
    await rm(source, { recursive: true })
    await model.save(join(folder, 'model'))
    await rename(join(folder, 'model'), join(folder, 'moved'))
    using loaded = await Transfusion.load(join(folder, 'moved'))
    expect(loaded.imagePreprocessing).toMatchObject({ width: 32, height: 32, channels: 3 })
    const images = await pixelsOf(model)
    expect(images[0]).toHaveLength(32 * 32 * 3)
    expect(await pixelsOf(loaded)).toEqual(images)
    const prompt = [testImage(32, 32, 9), 'up']
    expect(await loaded.completeTexts([prompt], 3)).toEqual(await model.completeTexts([prompt], 3))
  })

  it('lies once on the disk however many checkpoints there are, and is resumed with', async () => {
    const folder = await temporaryFolder()
    const checkpoints = new CheckpointFolder(join(folder, 'checkpoints'), 2)
    const whole = await newModel()
    using trainer = new Trainer(whole, data, settings)
    await trainer.run({ checkpoints: { folder: checkpoints, steps: 1 } })
    const latest = await checkpoints.latest()
    const weights = 'autoencoder/diffusion_pytorch_model.safetensors'
    const { nlink } = await stat(join(folder, 'checkpoints/step-000000003/model', weights))
    expect(nlink).toBeGreaterThanOrEqual(2)
    const again = await newModel()
    using resumed = new Trainer(again, data, settings)
    await resumed.restore(latest!)
    expect(await again.network.arena.values.readFloats()).toEqual(
      await whole.network.arena.values.readFloats(),
    )
  })

  it('lies once on the disk where the folder that it was read from is gone, and checkpoints load alone', async () => {
    const folder = await temporaryFolder()
    const source = join(folder, 'vae')
    await cp(autoencoder, source, { recursive: true })
    const model = await newModel(source)
    await rm(source, { recursive: true })
    const checkpoints = new CheckpointFolder(join(folder, 'checkpoints'), 2)
    using trainer = new Trainer(model, data, { ...settings, steps: 4 })
    await trainer.run({ checkpoints: { folder: checkpoints, steps: 1 } })
    const all = await checkpoints.all()
    expect(all).toHaveLength(2)
    const weights = 'model/autoencoder/diffusion_pytorch_model.safetensors'
    const [last, before] = await Promise.all(all.map((path) => stat(join(path, weights))))
    expect(last!.ino).toBe(before!.ino)
    await rm(all[1]!, { recursive: true })
    await rename(all[0]!, join(folder, 'alone'))
    using loaded = await Transfusion.load(join(folder, 'alone'))
    expect(await pixelsOf(loaded)).toEqual(await pixelsOf(model))
  })

  it('never takes another file that came to lie where it was', async () => {
    const folder = await temporaryFolder()
    const source = join(folder, 'vae')
    await cp(autoencoder, source, { recursive: true })
    const model = await newModel(source)
    await rm(join(source, 'config.json'))
    await writeFile(join(source, 'config.json'), '{}')
    await model.save(join(folder, 'model'))
    using loaded = await Transfusion.load(join(folder, 'model'))
    expect(await pixelsOf(loaded)).toEqual(await pixelsOf(model))
  })

  it('is refused where it is another than the model was trained with, damaged or missing', async () => {
    const folder = join(await temporaryFolder(), 'model')
    const model = await newModel()
    await model.save(folder)
    const before = memory().live
    const weights = join(folder, 'autoencoder/diffusion_pytorch_model.safetensors')
    const bytes = await readFile(weights)
    bytes[bytes.length - 1]! ^= 1
    await rm(weights)
    await expect(Transfusion.load(folder)).rejects.toThrow(/autoencoder/)
    await writeFile(weights, bytes)
    await expect(Transfusion.load(folder)).rejects.toThrow('is not the one that the model was trained with')
    await rm(join(folder, 'autoencoder'), { recursive: true })
    await expect(Transfusion.load(folder)).rejects.toThrow('autoencoder: no such folder')
    expect(memory().live).toBe(before)
  })

  it('refuses latents that are not finite, as of weights that are not', async () => {
    const folder = await temporaryFolder()
    await cp(autoencoder, folder, { recursive: true })
    const file = join(folder, 'diffusion_pytorch_model.safetensors')
    const { tensors } = await readSafetensors(file)
    const bias = tensors.get('encoder.conv_in.bias')!
    ;(bias.data as Float32Array)[0] = NaN
    await writeSafetensors(file, tensors)
    const codec = await loadCodec(folder)
    await expect(codec.encode([testImage(32, 32, 1)])).rejects.toThrow(
      `codec.encode: the autoencoder gives latents that are not finite; expected finite weights in ${file}`,
    )
  })

  it('encodes the images that are shown without noise, at t = 0', async () => {
    const lossesWith = async (cleanFraction: number) => {
      const model = await newModel()
      const timesteps = { noiseLimit: 500, cleanFraction }
      using trainer = new Trainer(model, data, { ...settings, captionFirst: 0, timesteps })
      const losses: number[] = []
      await trainer.run({ onStep: ({ terms }) => void losses.push(terms['diffusion']!, terms['lm']!) })
      expect(losses.every(Number.isFinite)).toBe(true)
      return losses
    }
    expect(await lossesWith(1)).not.toEqual(await lossesWith(0))
  })

  it('encodes the image of an editing prompt, by which what is generated differs', async () => {
    const model = await newModel()
    // Before it is trained it gives 0 for every image.
    using trainer = new Trainer(model, data, { ...settings, learningRate: { peak: 0.03, warmupSteps: 1 } })
    await trainer.run()
    const edited = async (seed: number) =>
      (await model.generateImages([[testImage(32, 32, seed), 'up']], [3], { steps: 2 }))[0]!.data
    const [first, again, other] = [await edited(1), await edited(1), await edited(2)]
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  it('names what does not fit', async () => {
    const codec = await loadCodec()
    await expect(codec.encode([testImage(30, 32, 1)])).rejects.toThrow(
      'codec.encode: images must have sides that are multiples of 4, as the autoencoder halves them, received 32 x 30',
    )
    const size = [{ height: 2, width: 2 }]
    await expect(codec.decode(new Float32Array(16).fill(NaN), size)).rejects.toThrow('values must be finite')
    await expect(codec.decode(new Float32Array(15), size)).rejects.toThrow('values must be 16')
    const image = { channels: 8, patch: 2, height: 8, width: 8 }
    expect(() =>
      Transfusion.create({ layers: 2, channels: 32, heads: 2, image }, makeCaptionTokenizer(captions), {
        codec,
      }),
    ).toThrow('image.channels: expected 4, as the codec has; received 8')
  })
})
