import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isFactor, type LoraSettings } from '../../lib/models/transfusion/lora.js'
import { isImageParameter } from '../../lib/models/transfusion/image_parameters.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import type { ComputeType } from '../../lib/nn/arena.js'
import { startProfile } from '../../lib/profiling/profile.js'
import { fence } from '../../lib/tensor/device.js'
import { Transfusion } from '../../lib/transfusion.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel, textLogits, tokenizer, trainedConfig, valuesOf } from './synthetic_dataset.js'

const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
  steps: 4,
  batchSize: 6,
  learningRate: { peak: 3e-3, warmupSteps: 1 },
  ...more,
})

const { vocabulary: _, tokens: __, ...sizes } = trainedConfig
const lora: LoraSettings = { rank: 4, alpha: 6 }

const largestDistance = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))

describe('low-rank updates', () => {
  it('begin as nothing, with the initial values of A that PEFT has by their spread', async () => {
    const [plain, adapted] = [newModel(), newModel(trainedConfig, 'f32', undefined, lora)]
    using _ = plain.network
    using network = adapted.network
    expect(await textLogits(adapted)).toEqual(await textLogits(plain))
    const values = await valuesOf(network.arena)
    for (const [name, own] of await valuesOf(plain.network.arena)) expect(values.get(name)).toEqual(own)
    const a = values.get('layers.1.feed_forward.down.lora_A.0')!
    expect(a).toHaveLength(4 * 176)
    // Of 704 values the spread is known to 3%: 5 of these.
    const std = Math.sqrt(a.reduce((sum, value) => sum + value ** 2, 0) / a.length)
    expect(std * Math.sqrt(3 * 176)).toBeGreaterThan(0.85)
    expect(std * Math.sqrt(3 * 176)).toBeLessThan(1.15)
  })

  it.each<[string, Partial<TransfusionTrainingSettings>, ComputeType]>([
    ['AdamW, accumulated, with an average', { gradientAccumulation: 3, ema: 0.9 }, 'f32'],
    ['Muon, recomputed', { optimizer: { type: 'muon' }, recompute: true }, 'f32'],
    ['bf16', {}, 'bf16'],
  ])('are trained with what images alone use, all else stays bit for bit: %s', async (_, more, compute) => {
    const model = newModel(trainedConfig, compute, 'text', lora)
    using network = model.network
    const before = await valuesOf(network.arena)
    using trainer = new Trainer(model, dataset, settings({ ...more, freeze: 'text', lora }))
    await trainer.run()
    const after = await valuesOf(network.arena)
    const changed = [...after].filter(([name, values]) => !isDeepStrictEqual(values, before.get(name)))
    expect(changed.map(([name]) => name)).toEqual(
      [...after.keys()].filter((name) => isFactor(name) || isImageParameter(name)),
    )
  })

  it('stand beside the targets alone, of which each matrix has its own', () => {
    const factorsOf = (lora: LoraSettings) => {
      const { network } = newModel(
        { ...trainedConfig, image: { ...trainedConfig.image, weights: 'all' } },
        'f32',
        undefined,
        lora,
      )
      using _ = network
      return network.arena.everyParameter.filter(({ name }) => isFactor(name)).map(({ name }) => name)
    }
    expect(factorsOf({ targets: ['layers.0.image.attention.qkv'] })).toEqual(
      [0, 1, 2].flatMap((i) => ['A', 'B'].map((of) => `layers.0.image.attention.qkv.lora_${of}.${i}`)),
    )
    expect(factorsOf({})).toHaveLength(2 * 2 * (3 + 1 + 2 + 1))
    expect(factorsOf({ targets: ['output', 'layers.1.*'] })).toHaveLength(2 * (1 + 2 * 7))
  })

  it('stand beside any linear layer, and mean the same merged', async () => {
    const image = { ...trainedConfig.image, weights: 'all' as const, unet: { channels: [8, 16], heads: 2 } }
    const all: LoraSettings = { rank: 2, alpha: 4, targets: ['*'] }
    using model = Transfusion.create({ ...sizes, image }, tokenizer, { lora: all })
    const { arena } = model.network
    const linear = arena.everyParameter.filter(({ update }) => update).map(({ name }) => name)
    const matrices = arena.everyParameter.filter(({ name, shape }) => shape.length === 2 && !isFactor(name))
    expect(matrices.map(({ name }) => name).filter((name) => !linear.includes(name))).toEqual([
      'embedding.weight',
      'output.weight',
    ])
    expect(linear.filter((name) => name.startsWith('patch_')).length).toBeGreaterThan(8)
    using trainer = new Trainer(model, dataset, settings({ lora: all }))
    await trainer.run()
    const folder = await temporaryFolder()
    await model.save(folder)
    using merged = await Transfusion.load(folder)
    const termsOf = async (model: Transfusion) => {
      using next = new Trainer(model, dataset, settings({ steps: 1 }))
      let terms: Readonly<Record<string, number>> = {}
      await next.run({ onStep: (report) => void (terms = report.terms) })
      return terms
    }
    const [own, stored] = [await termsOf(model), await termsOf(merged)]
    for (const term of ['lm', 'diffusion']) expect(stored[term]! / own[term]!).toBeCloseTo(1, 5)
  })

  it('count in the operations of a step', async () => {
    const stepOf = async (lora?: LoraSettings) => {
      const model = newModel(trainedConfig, 'f32', ['*'].slice(lora ? 0 : 1), lora)
      using network = model.network
      using trainer = new Trainer(model, dataset, settings({ steps: 1 }))
      await fence()
      const profile = startProfile()
      let flops = 0
      await trainer.run({ onStep: (report) => void (flops = report.flops!) })
      const { kernels } = await profile.stop()
      const products = kernels.filter(({ name }) => name.startsWith('matmul'))
      return { flops, products: products.reduce((sum, kernel) => sum + kernel.flops, 0), network }
    }
    const first = await stepOf({ rank: 1 })
    const second = await stepOf({ rank: 3 })
    expect(second.products - first.products).toBeGreaterThan(0)
    expect(second.flops - first.flops).toBe(second.products - first.products)
  })
})

describe('a model with low-rank updates', () => {
  it('is saved with them merged, as a checkpoint of it is loaded', async () => {
    using model = Transfusion.create(sizes, tokenizer, { lora })
    using trainer = new Trainer(model, dataset, settings({ lora }))
    await trainer.run()
    const folder = await temporaryFolder()
    await model.save(join(folder, 'model'))
    await trainer.save(join(folder, 'checkpoint'))
    using saved = await Transfusion.load(join(folder, 'model'))
    using merged = await Transfusion.load(join(folder, 'checkpoint'))
    expect(saved.parameterCount).toBeLessThan(model.parameterCount)
    expect(await valuesOf(merged.network.arena)).toEqual(await valuesOf(saved.network.arena))
    const [own, stored] = [await textLogits(model), await textLogits(saved)]
    expect(largestDistance(own, stored)).toBeLessThan(1e-5)
    using untrained = Transfusion.create(sizes, tokenizer)
    expect(largestDistance(own, await textLogits(untrained))).toBeGreaterThan(1e-2)

    using same = await Transfusion.load(join(folder, 'checkpoint'), { lora })
    expect(await valuesOf(same.network.arena)).toEqual(await valuesOf(model.network.arena))
    using other = await Transfusion.load(join(folder, 'checkpoint'), { lora: { rank: 2 } })
    expect(await textLogits(other)).toEqual(stored)
  })

  it.each(['int8', 'int4'] as const)('learns to begin images beside an output of %s', async (weights) => {
    const image = { ...sizes.image, boi: 'own' } as const
    using first = Transfusion.create({ ...sizes, feedForward: 192, image }, tokenizer)
    const folder = await temporaryFolder()
    await first.save(folder)
    const trained = { freeze: 'text' } as const
    const losses: number[][] = []
    for (const kept of [{}, { weights }]) {
      using model = await Transfusion.load(folder, { ...trained, ...kept })
      using trainer = new Trainer(model, dataset, settings(trained))
      const lm: number[] = []
      await trainer.run({ onStep: ({ terms }) => void lm.push(terms['lm']!) })
      losses.push(lm)
      const boi = (await valuesOf(model.network.arena)).get('image.boi.weight')!
      expect(boi.some((value) => value !== 0)).toBe(true)
    }
    for (const [i, loss] of losses[1]!.entries())
      expect(Math.abs(loss / losses[0]![i]! - 1)).toBeLessThan(0.05)
  })

  it.each(['int8', 'bf16'] as const)('is trained beside frozen weights of %s', async (weights) => {
    using first = Transfusion.create({ ...sizes, feedForward: 192 }, tokenizer)
    const folder = await temporaryFolder()
    await first.save(join(folder, 'first'))
    const frozen = { freeze: 'text', lora } as const
    using model = await Transfusion.load(join(folder, 'first'), { ...frozen, weights })
    const before = await valuesOf(model.network.arena)
    const half = settings({ ...frozen, steps: 3 })
    using trainer = new Trainer(model, dataset, half)
    const stop = new AbortController()
    await trainer.run({ signal: stop.signal, onStep: ({ step }) => void (step === 2 && stop.abort()) })
    await trainer.save(join(folder, 'checkpoint'))
    await trainer.run()
    const after = await valuesOf(model.network.arena)
    const changed = [...after].filter(([name, values]) => !isDeepStrictEqual(values, before.get(name)))
    expect(changed.map(([name]) => name)).toEqual(
      [...after.keys()].filter((name) => isFactor(name) || isImageParameter(name)),
    )
    const kept = weights === 'bf16' ? { weights } : {}
    using again = await Transfusion.load(join(folder, 'checkpoint'), { ...frozen, ...kept })
    using resumed = new Trainer(again, dataset, half)
    await resumed.restore(join(folder, 'checkpoint'))
    await resumed.run()
    expect(await valuesOf(again.network.arena)).toEqual(after)

    await model.save(join(folder, 'model'))
    using merged = await Transfusion.load(join(folder, 'model'))
    // Of int8 the rows of x are rounded in the model that is trained, and not by the merged floats; bf16 keeps 8 bits.
    const [own, stored] = [await textLogits(model), await textLogits(merged)]
    const learnt = largestDistance(own, await textLogits(first))
    expect(learnt).toBeGreaterThan(0.1)
    expect(largestDistance(own, stored)).toBeLessThan(0.2 * learnt)
  })

  it('refuses what does not fit it', async () => {
    const create = (lora: unknown) => () =>
      Transfusion.create(sizes, tokenizer, { lora: lora as LoraSettings })
    expect(create({ targets: ['q_proj'] })).toThrow(
      /^Transfusion\.create: lora: targets: expected qkv, output, gate_up, down, or names like \S+, .* received "q_proj"$/,
    )
    expect(create({ targets: ['layers.*.attention.qvk'] })).toThrow(
      /^Transfusion\.create: lora: targets: no parameter is "layers\.\*\.attention\.qvk"; did you mean "layers\.\*\.attention\.qkv"/,
    )
    expect(create({ rank: 0 })).toThrow(/^Transfusion\.create: lora:\s+rank: expected/)
    using model = Transfusion.create(sizes, tokenizer, { lora })
    const train = (lora: LoraSettings) => () => new Trainer(model, dataset, settings({ lora }))
    expect(train({ rank: 2 })).toThrow(/^training options: lora is \{"rank":2,.*the model has \{"rank":4/)
    using trainer = new Trainer(model, dataset, settings({ lora }))
    const folder = join(await temporaryFolder(), 'checkpoint')
    await trainer.run()
    await trainer.save(folder)
    using other = Transfusion.create(sizes, tokenizer, { lora: { ...lora, alpha: 8 } })
    using trainerOfOther = new Trainer(other, dataset, settings())
    await expect(trainerOfOther.restore(folder)).rejects.toThrow(
      /config\.json: lora is \{"rank":4,"alpha":6,.*the model has \{"rank":4,"alpha":8/,
    )
  })
})
