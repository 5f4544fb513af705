import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import type { ImageWeights } from '../../lib/models/transfusion/config.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import type { StepReport } from '../../lib/training/step_report.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel, trainedConfig } from './synthetic_dataset.js'

const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
  seed: 5,
  steps: 9,
  batchSize: 6,
  learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 3 },
  ...more,
})

/** What training reports and leaves behind; the wall time aside. */
type Outcome = { reports: Omit<StepReport, 'seconds'>[]; weights: Float32Array }

async function train(
  options: TransfusionTrainingSettings,
  {
    from,
    until,
    compute,
    imageWeights = 'shared',
  }: { from?: CheckpointFolder; until?: number; compute?: 'f32' | 'bf16'; imageWeights?: ImageWeights } = {},
): Promise<Outcome> {
  const model = newModel(
    { ...trainedConfig, image: { ...trainedConfig.image, weights: imageWeights } },
    compute,
    options.freeze,
    options.lora,
  )
  using network = model.network
  using trainer = new Trainer(model, dataset, options)
  const latest = await from?.latest()
  if (latest) await trainer.restore(latest)
  const reports: Outcome['reports'] = []
  const stop = new AbortController()
  await trainer.run({
    signal: stop.signal,
    onStep: ({ seconds: _seconds, ...report }) => {
      reports.push(report)
      if (report.step === until) stop.abort()
    },
    ...(from && { checkpoints: { folder: from, steps: 4 } }),
  })
  return { reports, weights: await network.arena.values.readFloats() }
}

describe('resumed training', () => {
  it.each<[string, Partial<TransfusionTrainingSettings>, 'f32' | 'bf16', ImageWeights?]>([
    ['batches by documents', {}, 'f32'],
    [
      'batches by positions, in parts',
      { batchSize: undefined, batchTokens: 190, gradientAccumulation: 2 },
      'f32',
    ],
    ['an average of the weights', { ema: 0.9 }, 'f32'],
    ['bf16', { ema: 0.9 }, 'bf16'],
    ['Muon', { optimizer: { type: 'muon' }, ema: 0.9 }, 'f32'],
    ['images with a feed-forward of their own, recomputed', { recompute: true }, 'f32', 'feed-forward'],
    [
      'frozen text',
      { freeze: 'text', optimizer: { type: 'muon' }, ema: 0.9, recompute: true, gradientAccumulation: 2 },
      'bf16',
      'all',
    ],
    ['frozen layers', { freeze: ['embedding.*', 'patch_encoder.*', 'layers.0.*'], ema: 0.9 }, 'f32'],
    [
      'low-rank updates',
      {
        lora: { rank: 2, alpha: 4, targets: ['qkv', 'down'] },
        freeze: 'text',
        optimizer: { type: 'muon' },
        ema: 0.9,
        gradientAccumulation: 2,
      },
      'bf16',
    ],
    ['images with all weights of their own', { optimizer: { type: 'muon' }, ema: 0.9 }, 'bf16', 'all'],
  ])('is bit for bit the uninterrupted one: %s', async (_, more, compute, imageWeights) => {
    const whole = await train(settings(more), { compute, imageWeights })
    const folder = new CheckpointFolder(join(await temporaryFolder(), 'checkpoints'), 2)
    const reports: Outcome['reports'] = []
    let weights = new Float32Array()
    // The step in which the signal aborts is finished, and so is the one that was enqueued meanwhile.
    for (const until of [1, 5, undefined]) {
      const part = await train(settings(more), { from: folder, until, compute, imageWeights })
      reports.push(...part.reports)
      weights = part.weights as Float32Array<ArrayBuffer>
    }
    expect(reports).toEqual(whole.reports)
    expect(weights).toEqual(whole.weights)
  })

  it('goes on within one process from its own weights, not from the averaged ones', async () => {
    const whole = await train(settings({ ema: 0.9 }))
    const model = newModel()
    using network = model.network
    using trainer = new Trainer(model, dataset, settings({ ema: 0.9 }))
    for (const until of [3, 9]) {
      const stop = new AbortController()
      await trainer.run({ signal: stop.signal, onStep: ({ step }) => step === until && stop.abort() })
    }
    expect(await network.arena.values.readFloats()).toEqual(whole.weights)
  })

  it('refuses a checkpoint of another kind of training', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 2)
    await train(settings(), { from: folder, until: 2 })
    for (const other of [{ ema: 0.9 }, { optimizer: { type: 'muon' } }] as const)
      await expect(train(settings(other), { from: folder })).rejects.toThrow('training.safetensors')
  })
})

describe('a failure in training', () => {
  const broken = (failing: number) => ({
    ...dataset,
    get(index: number) {
      if (index === failing) throw new Error(`picture ${index} is cut short`)
      return dataset.get(index)
    },
  })

  it('saves what was reached before a document that cannot be read, and resumes once it can', async () => {
    const whole = await train(settings({ steps: 12 }))
    const folder = new CheckpointFolder(await temporaryFolder(), 2)
    const model = newModel()
    using network = model.network
    using trainer = new Trainer(model, broken(11), settings({ steps: 12 }))
    const reached: number[] = []
    await expect(
      trainer.run({
        onStep: ({ step }) => reached.push(step),
        checkpoints: { folder, steps: 100 },
      }),
    ).rejects.toThrow('picture 11 is cut short')
    expect(await folder.latest()).toContain(`step-00000000${reached.at(-1)}`)
    const rest = await train(settings({ steps: 12 }), { from: folder })
    expect(rest.reports[0]!.step).toBe(reached.at(-1)! + 1)
    expect(rest.weights).toEqual(whole.weights)
    expect(network.arena.version).toBeGreaterThan(0)
  })

  it.each(['skip', 'stop'] as const)(
    'treats a checkpoint that cannot be written as it is told: %s',
    async (policy) => {
      const folder = new CheckpointFolder(join(await temporaryFolder(), 'checkpoints'), 2)
      const add = folder.add.bind(folder)
      folder.add = (step, fill) =>
        step === 4 ? Promise.reject(new Error('no space is left')) : add(step, fill)
      const model = newModel()
      using network = model.network
      using trainer = new Trainer(model, dataset, settings())
      const warnings: string[] = []
      const run = trainer.run({
        checkpoints: { folder, steps: 2, onSaveError: policy },
        onWarning: (message) => warnings.push(message),
      })
      const message = `step 4 was not saved: no space is left; ${join(folder.path, 'step-000000002')} is there to go on from`
      const failure = await run.then(
        () => undefined,
        (error: Error) => error.message,
      )
      expect(failure).toBe(policy === 'stop' ? message : undefined)
      expect(warnings).toEqual(policy === 'stop' ? [] : [message])
      expect(await folder.latest()).toBe(
        join(folder.path, policy === 'stop' ? 'step-000000002' : 'step-000000009'),
      )
      expect(network.arena.version).toBeGreaterThan(0)
    },
  )

  it('says so when the last checkpoint cannot be written', async () => {
    const folder = new CheckpointFolder(join(await temporaryFolder(), 'checkpoints'), 2)
    folder.add = () => Promise.reject(new Error('no space is left'))
    await expect(train(settings(), { from: folder })).rejects.toThrow(
      'step 9 was not saved: no space is left; there is no checkpoint yet',
    )
  })

  /** Images whose gradient overflows: the network's first weights are made infinite for one step. */
  const hurt = { ...settings(), learningRate: { peak: 1e38, final: 1e38, warmupSteps: 0 } }

  it('skips and counts steps whose gradient is not finite', async () => {
    const { reports } = await train(hurt)
    expect(reports[0]).toMatchObject({ applied: true, skippedSteps: 0 })
    expect(reports.at(-1)).toMatchObject({ applied: false, skippedSteps: reports.length - 1 })
  })

  it('stops after a hundred such steps in a row', async () => {
    await expect(train({ ...hurt, steps: 300 })).rejects.toThrow(
      /step 101: the gradient is not finite .*, nor was it in the 99 steps before; .* lower learning rate may help$/,
    )
  })

  it('stops there where the options say so, with the weights saved', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 2)
    await expect(train({ ...hurt, onNonFinite: 'stop' }, { from: folder })).rejects.toThrow(
      /step 2: the gradient is not finite .* lower learning rate/,
    )
    expect(await folder.latest()).toBeDefined()
  })
})
