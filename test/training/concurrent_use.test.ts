import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { loadModel, saveModel } from '../../lib/models/transfusion/io/folder.js'
import { generate } from '../../lib/generation/generate.js'
import { memory } from '../../lib/tensor/device.js'
import type { TrainingData } from '../../lib/models/transfusion/training/data.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { newTraining as trainingOf } from './new_training.js'
import { dataset, trainedConfig } from './synthetic_dataset.js'

const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
  seed: 5,
  steps: 40,
  batchSize: 2,
  learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 3 },
  ema: 0.9,
  ...more,
})

const tiny = { ...trainedConfig, channels: 16, heads: 2, feedForward: 32 }

const newTraining = (options = settings(), data?: TrainingData) => trainingOf(tiny, options, data)

/** The weights after each step, and after the run. */
async function uninterrupted(options = settings()) {
  using training = newTraining({ ...options, ema: 0 })
  const steps = [await training.weights()]
  await training.trainer.run({
    every: { steps: 1, run: async () => void steps.push(await training.weights()) },
  })
  using averaged = newTraining(options)
  await averaged.trainer.run()
  return { steps, final: await averaged.weights() }
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error) => error,
  )

describe('a model that is saved while it is trained', () => {
  it('has the weights of one step, those at the call', async () => {
    const { steps, final } = await uninterrupted()
    using training = newTraining()
    const { model, trainer } = training
    const { tensors } = memory()
    const saves: Promise<string>[] = []
    const expected: Promise<Float32Array>[] = []
    const folder = await temporaryFolder()
    await trainer.run({
      onStep({ step }) {
        if (step % 3 > 0) return
        expected.push(training.weights())
        saves.push(saveModel(join(folder, `${saves.length}`), model))
      },
    })
    await Promise.all(saves)
    expect(saves.length).toBe(13)
    for (const i of saves.keys()) {
      using saved = (await loadModel(join(folder, `${i}`))).network
      const values = await saved.arena.values.readFloats()
      expect(values).toEqual(await expected[i])
      expect(steps.some((weights) => Buffer.from(weights.buffer).equals(Buffer.from(values.buffer)))).toBe(
        true,
      )
    }
    expect(await training.weights()).toEqual(final)
    expect(memory().tensors).toBe(tensors)
  })

  it('is refused where there is no memory for a copy of what changes, while training goes on', async () => {
    using training = newTraining()
    const { arena } = training.model.network
    const frozen = arena.freeze()
    const snapshot = arena.snapshot.bind(arena)
    arena.snapshot = () => {
      throw new RangeError('out of memory: ...')
    }
    await training.trainer.run()
    arena.snapshot = snapshot
    expect(() => frozen.tensor).toThrow(
      'the weights changed while they were read, and there is no memory for a copy',
    )
    frozen[Symbol.dispose]()
  })

  it('is whole even where it is disposed meanwhile', async () => {
    const { model, trainer, weights } = newTraining()
    trainer[Symbol.dispose]()
    const before = await weights()
    const folder = await temporaryFolder()
    const saving = saveModel(folder, model)
    model.network[Symbol.dispose]()
    await saving
    using saved = (await loadModel(folder)).network
    expect(await saved.arena.values.readFloats()).toEqual(before)
  })
})

describe('a trainer that is saved while it runs', () => {
  it('resumes from each save, however many are asked for at once, bit for bit', async () => {
    const { final } = await uninterrupted()
    const folder = await temporaryFolder()
    using training = newTraining()
    const saves: Promise<void>[] = []
    const run = training.trainer.run({
      async onStep({ step }) {
        if (step === 20) await training.trainer.save(join(folder, 'hook'))
      },
    })
    for (let i = 0; i < 6; i++) {
      await setTimeout(2 * i)
      saves.push(training.trainer.save(join(folder, `${i}`)))
      if (i === 3)
        saves.push(training.trainer.save(join(folder, 'same')), training.trainer.save(join(folder, 'same')))
    }
    await run
    await Promise.all(saves)
    expect(await training.weights()).toEqual(final)
    for (const name of ['hook', 'same', ...Array.from({ length: 6 }, (_, i) => `${i}`)]) {
      using resumed = newTraining()
      await resumed.trainer.restore(join(folder, name))
      await resumed.trainer.run()
      expect(await resumed.weights(), name).toEqual(final)
    }
    const { tensors } = await readSafetensors(join(folder, 'hook', 'training.safetensors'))
    expect([...tensors.get('optimizer.steps')!.data]).toEqual([20])
  })
})

describe('training that ends before its time goes on as if it had not', () => {
  const once = (body: () => void) => {
    let done = false
    return () => {
      if (done) return
      done = true
      body()
    }
  }
  const fault = () => {
    throw new Error('a fault')
  }

  it.each<[string, (fail: () => void) => { hooks?: Parameters<Trainer['run']>[0]; data?: TrainingData }]>([
    ['onStep throws', (fail) => ({ hooks: { onStep: ({ step }) => void (step === 7 && fail()) } })],
    [
      'onStep rejects',
      (fail) => ({
        hooks: {
          async onStep({ step }) {
            await setTimeout(1)
            if (step === 7) fail()
          },
        },
      }),
    ],
    ['every rejects', (fail) => ({ hooks: { every: { steps: 5, run: async () => fail() } } })],
    [
      'a document cannot be read',
      (fail) => ({ data: { ...dataset, get: (i) => (i === 11 && fail(), dataset.get(i)) } }),
    ],
    [
      'it is aborted',
      () => {
        const controller = new AbortController()
        return {
          hooks: { signal: controller.signal, onStep: ({ step }) => void (step === 7 && controller.abort()) },
        }
      },
    ],
    ['it is aborted before', () => ({ hooks: { signal: AbortSignal.abort() } })],
  ])('%s', async (_, make) => {
    const { final } = await uninterrupted()
    const { hooks, data } = make(once(fault))
    using training = newTraining(settings(), data)
    const error = await reasonOf(training.trainer.run(hooks))
    expect(error?.message ?? 'a fault').toContain('a fault')
    expect(training.trainer.done.steps).toBeLessThan(40)
    await training.trainer.run()
    expect(await training.weights()).toEqual(final)
  })

  it('with generations between steps and meanwhile', async () => {
    const { final } = await uninterrupted()
    using training = newTraining()
    const text = async () => {
      for await (const _ of generate(training.model, 'bars', { maxTokens: 4, maxImages: 0 }));
    }
    const meanwhile: Promise<void>[] = []
    await training.trainer.run({
      onStep: ({ step }) => void (step % 10 === 0 && meanwhile.push(text())),
      every: { steps: 15, run: text },
    })
    await Promise.all(meanwhile)
    expect(await training.weights()).toEqual(final)
  })
})

describe('what a trainer refuses', () => {
  it('a second run or restore, its own or another trainer’s, and withAverage between steps', async () => {
    const { final } = await uninterrupted()
    using training = newTraining()
    const { trainer, model } = training
    using other = new Trainer(model, dataset, settings())
    const folder = await temporaryFolder()
    await trainer.save(folder)
    const messages: (string | undefined)[] = []
    await trainer.run({
      async onStep({ step }) {
        if (step !== 3) return
        for (const attempt of [
          trainer.run(),
          trainer.restore(folder),
          other.run(),
          other.restore(folder),
          trainer.withAverage(() => Promise.resolve()),
        ])
          messages.push((await reasonOf(attempt))?.message)
      },
    })
    expect(messages).toEqual([
      'Trainer.run: the trainer is at work: await its run or restore first',
      'Trainer.restore: the trainer is at work: await its run or restore first',
      'Trainer.run: another trainer is training this model: await its run first',
      'Trainer.restore: another trainer is training this model: await its run first',
      'Trainer.withAverage: training is under way; its hook `every` has the averaged weights',
    ])
    expect(await training.weights()).toEqual(final)
    const borrowed = trainer.withAverage(() => setTimeout(20))
    await expect(trainer.run()).rejects.toThrow('the averaged weights are in use: await withAverage first')
    await borrowed
  })

  it.each(['model', 'trainer'] as const)(
    'to go on where its %s is disposed, without a crash',
    async (what) => {
      const training = newTraining(settings({ steps: 1000 }))
      const run = reasonOf(training.trainer.run())
      await setTimeout(20)
      if (what === 'model') training.model.network[Symbol.dispose]()
      else training.trainer[Symbol.dispose]()
      expect((await run)?.message).toBe(
        `Trainer.run: the ${what} was disposed while it ran: await run() first`,
      )
      const again = await reasonOf(training.trainer.run())
      expect(again?.message).toBe(`Trainer.run: the ${what} was disposed`)
      training[Symbol.dispose]()
      await expect(training.trainer.save('/nowhere')).rejects.toThrow(
        'Trainer.save: the trainer was disposed',
      )
    },
  )
})
