import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Linear } from '../../lib/nn/linear.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { add } from '../../lib/ops/add.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { randomUniform } from '../../lib/random.js'
import { RunRecorder } from '../../lib/reporting/run_recorder.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import type { TrainingSettings } from '../../lib/training/options.js'
import type { TrainingTask } from '../../lib/training/task.js'
import { TaskTrainer } from '../../lib/training/task_trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { trainedReports } from './trained_reports.js'

const batchSize = 8
/** What the regression is to find: y = 3 x0 - 2 x1 + 0.5. */
const truth = ([a, b]: readonly [number, number]) => 3 * a - 2 * b + 0.5

interface Examples {
  inputs: readonly (readonly [number, number])[]
  /** By which sums over examples are divided. */
  ofBatch: number
}

/** A linear regression whose examples depend on the seed and their number; its data's state is the number of the next. */
function regression(warnings = 0) {
  const list = new ParameterList()
  const layer = new Linear(list, 2, 1, { bias: true })
  const arena = new ParameterArena(list.parameters)
  arena.initialize(7)
  const file = (folder: string) => join(folder, 'regression.json')
  const task: TrainingTask<Examples, { next: number }> = {
    arena,
    begin({ seed, gradientAccumulation, dataState, onWarning }) {
      for (let i = 0; i < warnings; i++) onWarning(`warning ${i}`)
      let next = dataState?.next ?? 0
      const example = (): [number, number] => {
        const number = next++
        return [randomUniform(seed, 'order', number, 0), randomUniform(seed, 'order', number, 1)]
      }
      return {
        next: () => ({
          microBatches: Array.from({ length: gradientAccumulation }, () => ({
            inputs: Array.from({ length: batchSize / gradientAccumulation }, example),
            ofBatch: batchSize,
          })),
          statistics: { counts: { examples: batchSize } },
          dataState: { next },
        }),
      }
    },
    loss({ inputs, ofBatch }) {
      const x = fromArray(Float32Array.from(inputs.flat()), [inputs.length, 2])
      const y = fromArray(
        Float32Array.from(inputs, (input) => -truth(input)),
        [inputs.length, 1],
      )
      const error = add(layer.forward(x), y)
      const squared = scale(sum(mul(error, error)), 1 / ofBatch)
      const { weight } = layer
      const penalty = scale(sum(mul(weight.tensor, weight.tensor)), (1e-6 * inputs.length) / ofBatch)
      return { total: add(squared, penalty), terms: { squared_error: squared, penalty } }
    },
    checkpoint: {
      dataState: z.strictObject({ next: z.int() }),
      async save(folder, weights) {
        await mkdir(folder, { recursive: true })
        const values = await (weights ?? arena.values).readFloats()
        await writeFile(file(folder), JSON.stringify([...values]))
        return { 'regression.json': String(values.length) }
      },
      async load(folder, { checksums }) {
        const values = JSON.parse(await readFile(file(folder), 'utf8')) as number[]
        if (checksums && checksums['regression.json'] !== String(values.length))
          throw new Error(`${file(folder)}: of another save`)
        return async () => {
          arena.values.write(Float32Array.from(values))
          arena.updated()
        }
      },
    },
  }
  return { task, arena, [Symbol.dispose]: () => arena[Symbol.dispose]() }
}

const settings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  seed: 4,
  steps: 12,
  optimizer: { weightDecay: 0 },
  learningRate: { peak: 0.05, warmupSteps: 2 },
  ...more,
})

describe('a task of another kind than the models', () => {
  it('is trained, and reports its own terms and counts alone', async () => {
    using model = regression()
    const { task, arena } = model
    using trainer = new TaskTrainer(task, settings({ steps: 400 }))
    const reports = await trainedReports(trainer)
    expect(Object.keys(reports[0]!.terms)).toEqual(['squared_error', 'penalty'])
    expect(reports[0]!.counts).toEqual({ examples: batchSize })
    expect(reports[0]!.flops).toBeUndefined()
    expect(reports.at(-1)!.terms['squared_error']).toBeLessThan(1e-3)
    const [bias, a, b] = (await arena.values.readFloats()).filter((value) => value !== 0).toSorted()
    // By size: -2, 0.5, 3.
    expect([bias, a, b].map((value) => Math.round(2 * value!) / 2)).toEqual([-2, 0.5, 3])
  })

  it('adds its terms up over micro-batches', async () => {
    using one = regression()
    using four = regression()
    using whole = new TaskTrainer(one.task, settings({ steps: 1 }))
    using parts = new TaskTrainer(four.task, settings({ steps: 1, gradientAccumulation: 4 }))
    const [[expected], [found]] = [await trainedReports(whole), await trainedReports(parts)]
    for (const name of ['squared_error', 'penalty'])
      expect(Math.abs(found!.terms[name]! / expected!.terms[name]! - 1)).toBeLessThan(1e-6)
    expect(Math.abs(found!.gradientNorm / expected!.gradientNorm - 1)).toBeLessThan(1e-6)
  })

  it.each([0, 0.9])('goes on from a checkpoint bit for bit (ema %d)', async (ema) => {
    using whole = regression()
    using uninterrupted = new TaskTrainer(whole.task, settings({ ema }))
    const expected = await trainedReports(uninterrupted)

    const folder = new CheckpointFolder(await temporaryFolder(), 1)
    using first = regression()
    using stopped = new TaskTrainer(first.task, settings({ ema }))
    const before = await trainedReports(stopped, { stopAt: 5, folder })
    using second = regression()
    second.arena.initialize(8)
    using resumed = new TaskTrainer(second.task, settings({ ema }))
    await resumed.restore((await folder.latest())!)
    expect(resumed.done.steps).toBe(before.length)
    expect([...before, ...(await trainedReports(resumed))]).toEqual(expected)
    expect(await second.arena.values.readFloats()).toEqual(await whole.arena.values.readFloats())
  })

  it('checks the state of its data in a checkpoint, and the checksums of its model, before anything is changed', async () => {
    using model = regression()
    const { task, arena } = model
    using trainer = new TaskTrainer(task, settings())
    const folder = await temporaryFolder()
    await trainer.run({ onStep: ({ step }) => void step })
    await trainer.save(folder)
    const values = await arena.values.readFloats()
    const path = join(folder, 'model', 'regression.json')
    const saved = await readFile(path, 'utf8')
    await writeFile(path, '[1]')
    await expect(trainer.restore(folder)).rejects.toThrow(`${path}: of another save`)
    await writeFile(path, saved)
    const state = join(folder, 'training.json')
    await writeFile(state, (await readFile(state, 'utf8')).replace('"next":', '"nxet":'))
    await expect(trainer.restore(folder, { verify: false })).rejects.toThrow(
      /data\.nxet: unknown key.*"next"/,
    )
    expect(await arena.values.readFloats()).toEqual(values)
  })

  it('passes on the warnings that it begins with', async () => {
    using model = regression(2)
    const { task } = model
    using trainer = new TaskTrainer(task, settings({ steps: 3 }))
    const warnings: string[] = []
    await trainer.run({ onWarning: (message) => warnings.push(message) })
    expect(warnings).toEqual(['warning 0', 'warning 1'])
  })

  it('is trained without a checkpoint, but neither saved nor restored', async () => {
    using model = regression()
    const { task } = model
    const { checkpoint: _checkpoint, ...plain } = task
    using trainer = new TaskTrainer(plain, settings({ steps: 2 }))
    expect(await trainedReports(trainer)).toHaveLength(2)
    const folder = await temporaryFolder()
    await expect(trainer.save(folder)).rejects.toThrow('Trainer.save: task must have a checkpoint')
    await expect(trainer.restore(folder)).rejects.toThrow('Trainer.restore: task must have a checkpoint')
  })

  it('names its terms where a gradient is not finite', async () => {
    using model = regression()
    const { task } = model
    const broken = { ...task, loss: (examples: Examples) => task.loss({ ...examples, inputs: [[1e30, 0]] }) }
    using trainer = new TaskTrainer(broken, settings({ onNonFinite: 'stop' }))
    await expect(trainer.run()).rejects.toThrow(
      /^step 1: the gradient is not finite \(norm (NaN|Infinity), squared_error Infinity, penalty \d\S+\)/,
    )
  })

  it('has its terms and counts in metrics and in events for TensorBoard', async () => {
    using model = regression()
    const { task } = model
    using trainer = new TaskTrainer(task, settings({ steps: 4 }))
    const folder = await temporaryFolder()
    const recorder = await RunRecorder.open(folder, {
      step: 0,
      seconds: 0,
      every: 4,
      tensorboard: true,
      parameters: 3,
      config: {},
    })
    const errors: number[] = []
    await trainer.run({
      onStep(report) {
        errors.push(report.terms['squared_error']!)
        recorder.step(report)
      },
    })
    await recorder.close()
    const [record] = (await readFile(join(folder, 'metrics.jsonl'), 'utf8')).trim().split('\n')
    expect(JSON.parse(record!)).toMatchObject({
      step: 4,
      terms: { squared_error: errors.reduce((sum, error) => sum + error, 0) / 4 },
      counts: { examples: 4 * batchSize },
      flops_per_second: null,
      skipped_documents: 0,
    })
    const events = (await readdir(folder)).find((name) => name.startsWith('events'))!
    const written = (await readFile(join(folder, events))).toString('latin1')
    for (const tag of ['loss/squared_error', 'loss/penalty', 'training/examples_per_second'])
      expect(written).toContain(tag)
    expect(written).not.toMatch(/loss\/(lm|diffusion)|positions|matmul_share/)
  })

  it.each<[object, string]>([
    [{}, 'TrainingTask.next: batch.microBatches must be an array, received nothing'],
    [{ microBatches: [1] }, 'TrainingTask.next: batch.statistics must be an object, received nothing'],
    [
      { microBatches: [1], statistics: {} },
      'TrainingTask.next: batch.statistics.counts must be an object, received nothing',
    ],
  ])('names what a batch lacks: %o', async (batch, message) => {
    using model = regression()
    const task = { ...model.task, begin: () => ({ next: () => batch }) } as never
    using trainer = new TaskTrainer(task, settings({ steps: 1 }))
    await expect(trainer.run()).rejects.toThrow(message)
  })

  it.each<[object, string]>([
    [{}, 'TrainingTask.loss: total must be a tensor, received nothing'],
    [{ total: 1, terms: {} }, 'TrainingTask.loss: total must be a tensor, received 1'],
  ])('names what a loss lacks: %o', async (loss, message) => {
    using model = regression()
    using trainer = new TaskTrainer({ ...model.task, loss: () => loss } as never, settings({ steps: 1 }))
    await expect(trainer.run()).rejects.toThrow(message)
  })

  it('names a term that is no tensor, and trains on once it is one', async () => {
    using model = regression()
    const { task } = model
    let right = false
    const loss: typeof task.loss = (batch) => {
      const { total, terms } = task.loss(batch)
      return { total, terms: right ? terms : ({ ...terms, penalty: 2 } as never) }
    }
    using trainer = new TaskTrainer({ ...task, loss }, settings({ steps: 2 }))
    await expect(trainer.run()).rejects.toThrow(
      'TrainingTask.loss: terms.penalty must be a tensor, received 2',
    )
    right = true
    await trainer.run()
    expect(trainer.done.steps).toBe(2)
  })
})
