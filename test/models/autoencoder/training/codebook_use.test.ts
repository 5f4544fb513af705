import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Codebook } from '../../../../lib/models/autoencoder/codebook.js'
import { CodebookUse } from '../../../../lib/models/autoencoder/training/codebook_use.js'
import { quantize } from '../../../../lib/models/autoencoder/training/quantization.js'
import { native } from '../../../../lib/native.js'
import { type ComputeType, ParameterArena } from '../../../../lib/nn/arena.js'
import { Linear } from '../../../../lib/nn/linear.js'
import { ParameterList } from '../../../../lib/nn/parameters.js'
import { add } from '../../../../lib/ops/add.js'
import { cast } from '../../../../lib/ops/cast.js'
import { mul } from '../../../../lib/ops/mul.js'
import { pixelError } from '../../../../lib/ops/pixel_error.js'
import { sum } from '../../../../lib/ops/reduce.js'
import { scale } from '../../../../lib/ops/scale.js'
import { randomSeeds, randomUniform } from '../../../../lib/random.js'
import { keep } from '../../../../lib/tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../../../lib/tensor/tensor.js'
import { CheckpointFolder } from '../../../../lib/training/checkpoint_folder.js'
import type { TrainingSettings } from '../../../../lib/training/options.js'
import type { TrainingTask } from '../../../../lib/training/task.js'
import { TaskTrainer } from '../../../../lib/training/task_trainer.js'
import { roundToBf16 } from '../../../host_array.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { trainedReports } from '../../../training/trained_reports.js'

const codes = 24
const [images, height, width, channels] = [4, 4, 4, 2]

interface Batch {
  step: number
  part: number
  parts: number
  seed: number
}

interface ToyOptions {
  restartAfter?: number | undefined
  compute?: ComputeType
  /** The step whose loss is infinite. */
  notFinite?: number
}

/** A VQ-VAE of two linear layers on images of random numbers. */
function toy({ restartAfter, compute = 'f32', notFinite }: ToyOptions = {}) {
  const list = new ParameterList()
  const encoder = new Linear(list.under('encoder'), channels, channels, { bias: true })
  const codebook = new Codebook(list.under('quantize'), codes, channels)
  const decoder = new Linear(list.under('decoder'), channels, channels, { bias: true })
  const arena = new ParameterArena(list.parameters, compute)
  arena.initialize(3)
  const use = new CodebookUse(codebook, arena, { restartAfter })
  /** The codes in the average after the last update. */
  const kept = keep(zeros(codebook.weight.shape))
  const task: TrainingTask<Batch, { next: number }> = {
    arena,
    state: use.state,
    begin: ({ seed, gradientAccumulation: parts }) => ({
      next: (step) => ({
        microBatches: Array.from({ length: parts }, (_, part) => ({ step, part, parts, seed })),
        statistics: { counts: { images } },
        dataState: { next: step + 1 },
      }),
    }),
    loss({ step, part, parts, seed }) {
      const count = images / parts
      const size = height * width * channels
      const pixel = (i: number) => randomUniform(seed, 'order', step, part * count * size + i) - 0.3
      const x = fromArray(
        Float32Array.from({ length: count * size }, (_, i) => pixel(i)),
        [count, height, width, channels],
      )
      const seeds = fromArray(randomSeeds(seed, 'noise', step, count, part * count), [count, 4])
      const z = encoder.forward(cast(x, compute))
      const quantized = quantize(codebook, z)
      const share = (losses: Tensor) =>
        mul(sum(losses), fromArray(Float32Array.of((step === notFinite ? Infinity : 1) / images)))
      const reconstruction = share(pixelError(cast(decoder.forward(quantized.z), 'f32'), x))
      const [codebookLoss, commitment] = [share(quantized.codebook), share(quantized.commitment)]
      const total = add(reconstruction, add(codebookLoss, scale(commitment, 0.25)))
      const { observed, terms } = use.observe(z, quantized, seeds, 1 / parts)
      return { total, terms: { reconstruction, commitment, ...terms }, observed }
    },
    afterUpdate(step) {
      use.afterUpdate(step)
      const { average } = step
      if (average)
        native.cast(kept.handle, average.view(codebook.weight.shape, arena.startOf(codebook.weight)).handle)
    },
    checkpoint: {
      dataState: z.strictObject({ next: z.int() }),
      async save(folder, weights) {
        await mkdir(folder, { recursive: true })
        await writeFile(
          join(folder, 'toy.json'),
          JSON.stringify([...(await (weights ?? arena.values).readFloats())]),
        )
        return { 'toy.json': 'a sum' }
      },
      async load(folder) {
        const values = JSON.parse(await readFile(join(folder, 'toy.json'), 'utf8')) as number[]
        return async () => {
          arena.values.write(Float32Array.from(values))
          arena.updated()
        }
      },
    },
  }
  const rowsOf = (values: ArrayLike<number>) =>
    Array.from({ length: values.length / channels }, (_, k) => [values[2 * k]!, values[2 * k + 1]!])
  return {
    task,
    arena,
    state: async () => ({
      unused: [...(await use.state.get('codes.unused')!.readInts())],
      recent: [...(await use.state.get('codes.recent')!.readFloats())],
    }),
    codes: async () => rowsOf(await arena.valuesOf(codebook.weight).readFloats()),
    /** Those that ops compute with. */
    computed: async () => rowsOf(await codebook.weight.tensor.readFloats()),
    average: async () => rowsOf(await kept.readFloats()),
    [Symbol.dispose]() {
      arena[Symbol.dispose]()
      use[Symbol.dispose]()
      kept.free()
    },
  }
}

const settings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  seed: 4,
  steps: 8,
  optimizer: { weightDecay: 0 },
  learningRate: { peak: 0.02, warmupSteps: 2 },
  ...more,
})

const distinct = (rows: readonly (readonly number[])[]) => new Set(rows.map(String)).size

describe('CodebookUse', () => {
  it('begins with vectors of the first batch in place of the codes that it did not use', async () => {
    using made = toy({ restartAfter: 100 })
    const before = await made.codes()
    using trainer = new TaskTrainer(made.task, settings({ steps: 1 }))
    const [report] = await trainedReports(trainer)
    const after = await made.codes()
    const used = report!.terms['codes_used']!
    expect(used).toBeLessThan(codes / 2)
    // A code that was used is moved by the optimizer, by its learning rate at most.
    const moved = after.filter((row, k) => row.every((value, c) => Math.abs(value - before[k]![c]!) < 0.025))
    expect(moved.length).toBeGreaterThanOrEqual(used)
    expect(distinct(after)).toBeGreaterThan(codes / 2)
    const { unused } = await made.state()
    expect(unused).toEqual(Array(codes).fill(0))
    using further = new TaskTrainer(made.task, settings({ steps: 4 }))
    const reports = await trainedReports(further)
    expect(reports.at(-1)!.terms['codes_used']).toBeGreaterThan(codes / 2)
    expect(reports.at(-1)!.terms['perplexity']).toBeGreaterThan(codes / 3)
    expect(reports.at(-1)!.terms['recent_codes_used']).toBeGreaterThan(codes / 2)
  })

  it('restarts nothing where it is off', async () => {
    using made = toy()
    const before = await made.codes()
    using trainer = new TaskTrainer(made.task, settings())
    await trainedReports(trainer)
    const { unused, recent } = await made.state()
    const never = unused.flatMap((steps, k) => (steps === 8 ? [k] : []))
    expect(never.length).toBeGreaterThan(0)
    const after = await made.codes()
    expect(never.map((k) => after[k])).toEqual(never.map((k) => before[k]))
    expect(never.map((k) => recent[k])).toEqual(never.map(() => 0))
  })

  it.each<ComputeType>(['f32', 'bf16'])(
    'restarts the average of a code with it, and what ops use: %s',
    async (compute) => {
      using made = toy({ restartAfter: 2, compute })
      using trainer = new TaskTrainer(made.task, settings({ steps: 1, ema: 0.9 }))
      const before = await made.codes()
      await trainedReports(trainer)
      const average = await made.average()
      const now = await made.codes()
      const restarted = now.flatMap((row, k) =>
        row.some((value, c) => Math.abs(value - before[k]![c]!) > 0.03) ? [k] : [],
      )
      expect(restarted.length).toBeGreaterThan(codes / 2)
      expect(restarted.map((k) => average[k])).toEqual(restarted.map((k) => now[k]))
      const round = (row: readonly number[]) =>
        row.map((value) => (compute === 'f32' ? value : roundToBf16(value)))
      expect(await made.computed()).toEqual(now.map(round))
    },
  )

  it('changes nothing in a step that is not taken', async () => {
    using made = toy({ restartAfter: 2, notFinite: 2 })
    using trainer = new TaskTrainer(made.task, settings({ steps: 2 }))
    await trainedReports(trainer)
    const before = [await made.state(), await made.codes()]
    using further = new TaskTrainer(made.task, settings({ steps: 3 }))
    const folder = await temporaryFolder()
    await trainer.save(folder)
    await further.restore(folder)
    const [report] = await trainedReports(further)
    expect(report!.applied).toBe(false)
    expect([await made.state(), await made.codes()]).toEqual(before)
  })

  it.each<[string, Partial<TrainingSettings>, ToyOptions]>([
    ['alone', {}, {}],
    ['an average, bf16, parts', { ema: 0.9, gradientAccumulation: 2 }, { compute: 'bf16' }],
    ['a step that is not taken', { ema: 0.9 }, { notFinite: 3 }],
  ])('goes on from a checkpoint bit for bit: %s', async (_, more, options) => {
    using whole = toy({ restartAfter: 2, ...options })
    using uninterrupted = new TaskTrainer(whole.task, settings(more))
    const expected = await trainedReports(uninterrupted)

    const folder = new CheckpointFolder(await temporaryFolder(), 1)
    using first = toy({ restartAfter: 2, ...options })
    using stopped = new TaskTrainer(first.task, settings(more))
    const before = await trainedReports(stopped, { stopAt: 4, folder })
    using second = toy({ restartAfter: 2, ...options })
    using resumed = new TaskTrainer(second.task, settings(more))
    await resumed.restore((await folder.latest())!)
    expect([...before, ...(await trainedReports(resumed))]).toEqual(expected)
    expect([await second.state(), await second.codes()]).toEqual([await whole.state(), await whole.codes()])
    const [a, b] = [second, whole].map(({ arena }) => arena.values.readFloats())
    expect(await a).toEqual(await b)
  })

  it('names the argument and the value received', () => {
    expect(() => toy({ restartAfter: 0 })).toThrow(
      'CodebookUse: restartAfter must be a number of steps, 1 or more, received 0',
    )
  })
})
