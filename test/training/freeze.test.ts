import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ImageDataset } from '../../lib/data/sources/image_dataset.js'
import type { Freeze } from '../../lib/models/transfusion/freeze.js'
import { isImageParameter } from '../../lib/models/transfusion/image_parameters.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import type { ComputeType } from '../../lib/nn/arena.js'
import { startProfile } from '../../lib/profiling/profile.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { elementsOf } from '../../lib/tensor/shape.js'
import { Transfusion } from '../../lib/transfusion.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel, textLogits, tokenizer, trainedConfig, valuesOf } from './synthetic_dataset.js'

const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
  steps: 4,
  batchSize: 6,
  learningRate: { peak: 3e-3, warmupSteps: 1 },
  ...more,
})

const withWeights = (weights: 'shared' | 'all') => ({
  ...trainedConfig,
  image: { ...trainedConfig.image, weights },
})

describe('frozen text', () => {
  it.each<[string, Partial<TransfusionTrainingSettings>, ComputeType]>([
    ['AdamW, accumulated, with an average', { gradientAccumulation: 3, ema: 0.9 }, 'f32'],
    ['Muon, recomputed', { optimizer: { type: 'muon' }, recompute: true }, 'f32'],
    ['bf16', { ema: 0.9 }, 'bf16'],
  ])('stays bit for bit while all that images use alone learns: %s', async (_, more, compute) => {
    const model = newModel(withWeights('all'), compute, 'text')
    using network = model.network
    const before = { values: await valuesOf(network.arena), logits: await textLogits(model) }
    using trainer = new Trainer(model, dataset, settings({ ...more, freeze: 'text' }))
    await trainer.run()
    expect(await textLogits(model)).toEqual(before.logits)
    const after = await valuesOf(network.arena)
    const changed = [...after].filter(([name, values]) => !isDeepStrictEqual(values, before.values.get(name)))
    expect(changed.map(([name]) => name)).toEqual([...after.keys()].filter(isImageParameter))
  })

  it('learns what a model whose text is not frozen would, where the loss has images alone', async () => {
    const steps = settings({ steps: 1, captionFirst: 0, conditionDropout: 1 })
    const trained: Map<string, Float32Array>[] = []
    for (const freeze of [undefined, 'text'] as const) {
      const model = newModel(withWeights('all'), 'f32', freeze)
      using network = model.network
      // One norm of all gradients would scale those of the two by different factors.
      using trainer = new Trainer(model, dataset, { ...steps, optimizer: { clip: 1e9 } })
      await trainer.run()
      trained.push(await valuesOf(network.arena))
    }
    const ofImages = trained.map((all) => [...all].filter(([name]) => isImageParameter(name)))
    expect(ofImages[1]!.length).toBeGreaterThan(0)
    expect(ofImages[1]).toEqual(ofImages[0])
  })

  it('goes on over documents that nothing trained is needed for', async () => {
    const texts: ImageDataset = {
      ...dataset,
      get: () => ({ parts: [{ type: 'text', text: 'bars that stand' }] }),
    }
    const model = newModel(trainedConfig, 'f32', 'text')
    using network = model.network
    using trainer = new Trainer(model, texts, settings({ optimizer: { weightDecay: 0 } }))
    const before = await valuesOf(network.arena)
    const norms: number[] = []
    await trainer.run({ onStep: ({ gradientNorm }) => void norms.push(gradientNorm) })
    expect(norms).toEqual([0, 0, 0, 0])
    expect(await valuesOf(network.arena)).toEqual(before)
  })
})

it('takes no gradients, moments and average of what is frozen', async () => {
  const big = { ...trainedConfig, channels: 128 }
  const live = async (freeze?: Freeze) => {
    await fence()
    const before = memory().live
    const model = newModel(big, 'f32', freeze)
    using network = model.network
    using _ = new Trainer(model, dataset, settings({ ema: 0.9 }))
    await fence()
    const { arena } = network
    return { bytes: memory().live - before, trained: arena.trainedCount, all: arena.parameterCount }
  }
  const whole = await live()
  const frozen = await live('text')
  expect(whole.trained).toBe(whole.all)
  const saved = 4 * 4 * (frozen.all - frozen.trained)
  // Gradient, two moments and average; memory is given in blocks of rounded sizes.
  expect(Math.abs(whole.bytes - frozen.bytes - saved)).toBeLessThan(0.05 * saved)
})

describe('the backward pass', () => {
  /** Operations of the matrix products of one step, and calls of attention's backward pass. */
  async function stepOf(freeze?: Freeze) {
    const model = newModel(trainedConfig, 'f32', freeze)
    using network = model.network
    using trainer = new Trainer(model, dataset, settings({ steps: 1 }))
    await fence()
    const profile = startProfile()
    let flops = 0
    let rows = { positions: 0, targets: 0 }
    await trainer.run({
      onStep: (report) => {
        flops = report.flops!
        rows = report.counts as typeof rows
      },
    })
    const { kernels } = await profile.stop()
    const total = (name: RegExp, of: 'flops' | 'calls') =>
      kernels.filter((kernel) => name.test(kernel.name)).reduce((sum, kernel) => sum + kernel[of], 0)
    const elements = (name: RegExp) =>
      network.arena.everyParameter
        .filter((parameter) => name.test(parameter.name) && parameter.shape.length === 2)
        .reduce((sum, { shape }) => sum + elementsOf(shape), 0)
    return {
      flops,
      products: total(/^matmul/, 'flops'),
      attentionBackward: total(/^attention_backward/, 'calls'),
      rows,
      elements,
    }
  }

  it('computes no gradients of frozen weights', async () => {
    const [whole, frozen] = [await stepOf(), await stepOf('text')]
    const { positions, targets } = frozen.rows
    const weightGradients =
      2 * (positions * frozen.elements(/^layers/) + targets * frozen.elements(/^output/))
    expect(whole.products - frozen.products).toBe(weightGradients)
    expect(whole.flops - frozen.flops).toBe(weightGradients)
  })

  it('ends at the lowest parameter that is trained', async () => {
    const [whole, frozen] = [await stepOf(), await stepOf(['embedding.*', 'patch_encoder.*', 'layers.0.*'])]
    expect(frozen.attentionBackward).toBe(whole.attentionBackward / 2)
    const below = 4 * frozen.rows.positions * frozen.elements(/^layers\.0/)
    // Beside the layer's, the patch encoder's weights have no gradients.
    expect(whole.products - frozen.products).toBeGreaterThan(below)
    expect(whole.flops - frozen.flops).toBeGreaterThan(below)
  })
})

describe('refuses', () => {
  const create = (freeze: unknown) => () => Transfusion.create(sizes, tokenizer, { freeze: freeze as Freeze })
  const { vocabulary: _, tokens: __, ...sizes } = trainedConfig

  it('patterns of no parameter, of all, and what is no pattern', () => {
    expect(create(['layers.*.atention.*'])).toThrow(
      /^Transfusion\.create: freeze: no parameter is "layers\.\*\.atention\.\*"; did you mean "layers\.\*\.attention\.\*"/,
    )
    expect(create(['*'])).toThrow(/^Transfusion\.create: freeze: expected some parameter to be left to train/)
    expect(create('images')).toThrow(
      /freeze: expected "text" or a list of names of parameters, received "images"/,
    )
    expect(create([])).toThrow(/freeze: expected "text" or a list/)
  })

  it('a trainer and a checkpoint of other parameters', async () => {
    using model = Transfusion.create(sizes, tokenizer, { freeze: 'text' })
    expect(() => new Trainer(model, dataset, settings({ freeze: ['output.*'] }))).toThrow(
      /^training options: freeze: \S+ is frozen in this model|is trained in this model: give the same/,
    )
    using trainer = new Trainer(model, dataset, settings({ freeze: 'text' }))
    const folder = join(await temporaryFolder(), 'checkpoint')
    await trainer.run()
    await trainer.save(folder)
    using other = Transfusion.create(sizes, tokenizer, { freeze: ['output.*'] })
    using trainerOfOther = new Trainer(other, dataset, settings())
    await expect(trainerOfOther.restore(folder)).rejects.toThrow(
      /training\.json: embedding\.weight was frozen in the run and is trained now: freeze what it froze/,
    )
    using loaded = await Transfusion.load(join(folder, 'model'), { freeze: 'text' })
    expect(await valuesOf(loaded.network.arena)).toEqual(await valuesOf(model.network.arena))
  })
})
