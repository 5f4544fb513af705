import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { captionedImage, type ImageDataset } from '../../../lib/data/sources/image_dataset.js'
import type { GenerationEvent } from '../../../lib/generation/events.js'
import { transfusionTrainingSchema } from '../../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../../lib/models/transfusion/training/trainer.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { generator } from '../../host_array.js'
import { temporaryFolder } from '../../temporary_folder.js'

const captions = ['up', 'down']
const tokenizer = makeCaptionTokenizer(captions)

/** The paper's latents have 8 channels; these are 4 x 4 positions of them, as a VAE would make of 32 x 32 pixels. */
const image = { channels: 8, patch: 2, height: 4, width: 4 }
const noAutoencoder = 'the model reads 8 values per position (image.channels) and has no autoencoder'

/** Latents whose mean tells the caption. */
const latents: ImageDataset = {
  length: 32,
  classNames: [],
  get(index) {
    const next = generator(index)
    const mean = index % 2 === 0 ? 2 : -2
    const values = Float32Array.from({ length: 4 * 4 * 8 }, () => mean + next() - 0.5)
    const caption = captions[index % 2]!
    return {
      parts: [
        { type: 'text', text: caption },
        { type: 'image', height: 4, width: 4, values },
      ],
    }
  },
}

function newModel(): Transfusion {
  const sizes = { layers: 2, channels: 64, heads: 4, feedForward: 128, image }
  const model = Transfusion.create(sizes, tokenizer, { objective: { prediction: 'v', weighting: 'v' } })
  onTestFinished(() => model[Symbol.dispose]())
  return model
}

async function train(model: Transfusion, data: ImageDataset, steps: number): Promise<number[]> {
  const settings = transfusionTrainingSchema.parse({
    steps,
    batchSize: 16,
    learningRate: { peak: 3e-3, warmupSteps: 3 },
    captionFirst: 1,
  })
  using trainer = new Trainer(model, data, settings)
  const losses: number[] = []
  await trainer.run({ onStep: ({ terms }) => void losses.push(terms['diffusion']!) })
  return losses
}

async function sampled(model: Transfusion, prompt: string): Promise<Float32Array> {
  const options = { startWith: 'image', maxTokens: 0, steps: 20, guidance: 1 } as const
  const events: GenerationEvent[] = []
  for await (const event of model.generate(prompt, options)) events.push(event)
  const latent = events.find((event) => event.type === 'latent')
  if (!latent) throw new Error('no latent was sampled')
  return latent.latent.values
}

const mean = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length

describe('a model of latents of 8 channels', () => {
  it('is trained on documents that hold values, and samples values of the caption', async () => {
    const model = newModel()
    const losses = await train(model, latents, 150)
    expect(mean(losses.slice(-10))).toBeLessThan(0.6 * mean(losses.slice(0, 10)))
    const [up, down] = [mean(await sampled(model, 'up')), mean(await sampled(model, 'down'))]
    expect(up).toBeGreaterThan(1)
    expect(down).toBeLessThan(-1)
  })

  it('is saved and loaded without a codec, and reads latents in prompts', async () => {
    const model = newModel()
    const folder = join(await temporaryFolder(), 'model')
    await model.save(folder)
    using loaded = await Transfusion.load(folder)
    expect(loaded.codec).toBeUndefined()
    expect(loaded.imagePreprocessing).toBeUndefined()
    const values = new Float32Array(4 * 4 * 8).fill(0.5)
    const prompt = [{ height: 4, width: 4, values }]
    expect(await loaded.completeTexts([prompt], 2)).toEqual(await model.completeTexts([prompt], 2))
  })

  it('says that it has no autoencoder where pixels are given or wanted', async () => {
    const model = newModel()
    const pixels = { height: 4, width: 4, channels: 1, data: new Uint8Array(16) } as const
    await expect(model.readImage(pixels)).rejects.toThrow(`readImage: ${noAutoencoder}`)
    await expect(model.generateImages(['up'])).rejects.toThrow(`generateImages: ${noAutoencoder}`)
    await expect(model.completeTexts([[pixels]])).rejects.toThrow(
      `prompt[0]: ${noAutoencoder}, so it neither reads nor makes pixels; an image must be its values, ` +
        '{ height, width, values: Float32Array }',
    )
    const data: ImageDataset = { ...latents, get: () => captionedImage('up', pixels) }
    await expect(train(model, data, 1)).rejects.toThrow(noAutoencoder)
  })

  it.each([
    [{ height: 4, width: 4, values: new Float32Array(16) }, 'values must be 128, for 4 x 4 positions of 8'],
    [{ height: 3, width: 4, values: new Float32Array(96) }, 'must be positive multiples of the patch size 2'],
    [
      { height: 4, width: 4, values: new Float64Array(128) },
      'values must be a Float32Array, received a Float64',
    ],
  ])('refuses values that do not fit: %#', async (latent, message) => {
    await expect(newModel().completeTexts([[latent as never]])).rejects.toThrow(message)
  })
})
