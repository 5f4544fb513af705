import { describe, expect, it } from 'vitest'
import type { ImageDataset } from '../../lib/data/sources/image_dataset.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import type { StepReport } from '../../lib/training/step_report.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { newTraining as trainingOf } from './new_training.js'
import { dataset, newModel, trainedConfig } from './synthetic_dataset.js'

const tiny = { ...trainedConfig, layers: 1, channels: 16, heads: 2, feedForward: 32 }
const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
  steps: 3,
  batchSize: 2,
  ...more,
})

const newTraining = (options: TransfusionTrainingSettings, data?: ImageDataset) =>
  trainingOf(tiny, options, data)

async function reportsOf(options: TransfusionTrainingSettings, data?: ImageDataset): Promise<StepReport[]> {
  using training = newTraining(options, data)
  const reports: StepReport[] = []
  await training.trainer.run({ onStep: (report) => reports.push(report) })
  return reports
}

describe('training', () => {
  it('warns of data that is of another number of documents than when it stopped', async () => {
    const folder = await temporaryFolder()
    {
      using training = newTraining(settings())
      await training.trainer.run()
      await training.trainer.save(folder)
    }
    for (const [length, expected] of [
      [48, []],
      [40, [expect.stringMatching(/^the data was changed .*: source 1 had 48 documents, has 40\. /)]],
    ] as const) {
      using training = newTraining(settings({ steps: 6 }), { ...dataset, length })
      await training.trainer.restore(folder)
      const warnings: string[] = []
      await training.trainer.run({ onWarning: (message) => warnings.push(message) })
      expect(warnings).toEqual(expected)
    }
  })

  it('takes one step at least, however few minutes it has', async () => {
    expect(await reportsOf(settings({ steps: undefined, minutes: 1e-9 }))).toMatchObject([
      { step: 1, applied: true },
    ])
  })

  it('goes round in a data set of one document, in more parts than that', async () => {
    const reports = await reportsOf(settings({ batchSize: 8, gradientAccumulation: 8 }), {
      ...dataset,
      length: 1,
    })
    expect(reports.map(({ counts }) => counts['images'])).toEqual([8, 8, 8])
  })

  it('leaves out parts of a batch that have nothing to learn', async () => {
    const empty: ImageDataset = {
      ...dataset,
      length: 2,
      get: (i) =>
        (i === 0 ? { ...dataset.get(0), parts: [] } : dataset.get(i)) as ReturnType<typeof dataset.get>,
    }
    const model = newModel({ ...tiny, tokens: { end: 2, boi: 3, eoi: 4 } })
    using network = model.network
    using trainer = new Trainer(model, empty, settings({ batchSize: 4, gradientAccumulation: 4 }))
    const images: (number | undefined)[] = []
    await trainer.run({ onStep: (report) => images.push(report.counts['images']) })
    expect(images).toEqual([2, 2, 2])
    expect(network.arena.consistent).toBe(true)
  })

  it('refuses hooks whose steps are no number of steps', async () => {
    using training = newTraining(settings())
    for (const steps of [0, -1, 2.5, NaN])
      await expect(training.trainer.run({ every: { steps, run: () => Promise.resolve() } })).rejects.toThrow(
        `Trainer.run: options.every.steps must be an integer of at least 1, or Infinity, received ${steps}`,
      )
  })

  it('refuses to go on from its own weights where the averaged ones were trained since', async () => {
    using training = newTraining(settings({ ema: 0.9 }))
    const { trainer, model } = training
    await trainer.run()
    using other = new Trainer(model, dataset, settings())
    await other.run()
    const reached = await model.network.arena.values.readFloats()
    await expect(trainer.run()).rejects.toThrow(
      'Ema: the weights were changed while the model had the averaged ones',
    )
    expect(await model.network.arena.values.readFloats()).toEqual(reached)
  })

  it.each<[string, unknown, string]>([
    ['no steps', { steps: 0 }, 'steps'],
    ['a learning rate of 0', { learningRate: { peak: 0 } }, 'learningRate.peak'],
    ['an average that never changes', { ema: 1 }, 'ema'],
    ['more parts than documents', { gradientAccumulation: 3 }, 'gradientAccumulation'],
    ['infinite weight decay', { optimizer: { weightDecay: Infinity } }, 'weightDecay'],
  ])('refuses %s', (_, more, named) => {
    using network = newModel(tiny).network
    const model = { ...newModel(tiny), network }
    expect(() => new Trainer(model, dataset, settings(more as Partial<TransfusionTrainingSettings>))).toThrow(
      named,
    )
  })
})
