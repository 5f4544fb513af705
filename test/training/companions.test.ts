import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import type { TrainingSettings } from '../../lib/training/options.js'
import type { Companion } from '../../lib/training/task.js'
import { TaskTrainer } from '../../lib/training/task_trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { batchSize, type Examples, settings, start, toy, type ToyOptions } from './toy_companion.js'
import { trainedReports } from './trained_reports.js'

describe('a task with a companion', () => {
  it('trains both, the companion by its own optimizer, from the step that has a loss for it', async () => {
    using made = toy()
    using trainer = new TaskTrainer(made.task, settings({ steps: 600 }))
    const before = await made.follower.arena.values.readFloats()
    let untouched
    await trainer.run({
      every: {
        steps: start,
        run: async (step) => {
          if (step === start) untouched = await made.follower.arena.values.readFloats()
        },
      },
    })
    expect(untouched).toEqual(before)
    const [[slope], [follower], [seen]] = (await made.values()) as [number[], number[], number[]]
    expect(slope).toBeCloseTo(2, 2)
    expect(follower).toBeCloseTo(slope!, 2)
    expect(seen).toBe(600 * batchSize)
  })

  it('reports the norms of both networks that a step trains', async () => {
    using made = toy()
    using trainer = new TaskTrainer(made.task, settings())
    const reports = await trainedReports(trainer)
    expect(reports.map(({ companionNorms }) => companionNorms && Object.keys(companionNorms))).toEqual(
      reports.map((_, step) => (step < start ? undefined : ['follower'])),
    )
    for (const { gradientNorm, companionNorms, terms } of reports.slice(start)) {
      expect(companionNorms!['follower']).toBeGreaterThan(0)
      expect(companionNorms!['follower']).not.toBe(gradientNorm)
      expect(Object.keys(terms)).toEqual(['loss', 'other'])
    }
  })

  it('leaves the model as it would be without one', async () => {
    using made = toy()
    using alone = toy()
    const { companions: _companions, ...task } = alone.task
    const loss: typeof task.loss = (batch) => {
      const { companions: _losses, ...rest } = alone.task.loss(batch)
      return rest
    }
    using trainer = new TaskTrainer(made.task, settings())
    using other = new TaskTrainer({ ...task, loss }, settings())
    await Promise.all([trainer.run(), other.run()])
    expect((await made.values())[0]).toEqual((await alone.values())[0])
  })

  it.each<[string, Partial<TrainingSettings>, ToyOptions, number]>([
    ['before the companion begins', {}, {}, 1],
    ['once it is trained', {}, {}, 5],
    ['an average, bf16, parts', { ema: 0.9, gradientAccumulation: 2 }, { compute: 'bf16' }, 5],
    ['another optimizer', { ema: 0.9 }, { companion: { optimizer: { type: 'muon' } } }, 6],
  ])('goes on from a checkpoint bit for bit: %s', async (_, more, options, stopAt) => {
    using whole = toy(options)
    using uninterrupted = new TaskTrainer(whole.task, settings(more))
    const expected = await trainedReports(uninterrupted)

    const folder = new CheckpointFolder(await temporaryFolder(), 1)
    using first = toy(options)
    using stopped = new TaskTrainer(first.task, settings(more))
    const before = await trainedReports(stopped, { stopAt, folder })
    using second = toy({ ...options, seed: 11 })
    using resumed = new TaskTrainer(second.task, settings(more))
    await resumed.restore((await folder.latest())!)
    expect([...before, ...(await trainedReports(resumed))]).toEqual(expected)
    expect(await second.values()).toEqual(await whole.values())
  })

  it('keeps the companion beside the model of a checkpoint, by the names of its parameters', async () => {
    using made = toy()
    using trainer = new TaskTrainer(made.task, settings({ ema: 0.9 }))
    await trainer.run()
    const folder = await temporaryFolder()
    await trainer.save(folder)
    const { tensors } = await readSafetensors(join(folder, 'training.safetensors'))
    expect([...tensors.keys()].toSorted()).toEqual(
      [
        'average.updates',
        ...['first_moment', 'second_moment', 'steps'].flatMap((name) => [
          `companions.follower.optimizer.${name}`,
          `optimizer.${name}`,
        ]),
        'companions.follower.weights.bias',
        'companions.follower.weights.weight',
        'state.seen',
        'weights',
      ].toSorted(),
    )
    const weight = tensors.get('companions.follower.weights.weight')!
    expect(weight.data[0]).toBe((await made.values())[1]![0])
  })

  it.each<[string, ToyOptions, string | RegExp]>([
    [
      'of another name',
      { companion: { name: 'critic' } },
      /has companions\.follower\.\S+: the run trained another network as follower/,
    ],
    [
      'of another shape',
      { rows: 2 },
      /companions\.follower\.weights\.weight is f32 of \[1,1\], expected a tensor of f32 \[2, 1\]/,
    ],
    [
      'of another optimizer',
      { companion: { optimizer: { type: 'muon' } } },
      'companions.follower.optimizer.momentum is missing: the run trained another network as follower',
    ],
  ])('refuses a checkpoint with a companion %s, and leaves all as it was', async (_, options, message) => {
    using made = toy()
    using trainer = new TaskTrainer(made.task, settings({ steps: 1 }))
    await trainer.run()
    const folder = await temporaryFolder()
    await trainer.save(folder)
    using other = toy(options)
    using another = new TaskTrainer(other.task, settings({ steps: 1 }))
    const before = await other.values()
    await expect(another.restore(folder)).rejects.toThrow(message)
    expect(await other.values()).toEqual(before)
    await another.run()
  })

  it('refuses a checkpoint without its state', async () => {
    using made = toy()
    const { state: _state, ...task } = made.task
    using trainer = new TaskTrainer(task, settings({ steps: 1 }))
    await trainer.run()
    const folder = await temporaryFolder()
    await trainer.save(folder)
    using whole = new TaskTrainer(made.task, settings({ steps: 1 }))
    await expect(whole.restore(folder)).rejects.toThrow('state.seen is missing: the run kept other state')
  })

  it.each<[Partial<Companion>, string]>([
    [{ name: 'a.b' }, 'must be letters and digits, and its own, received "a.b"'],
    [{ arena: {} as never }, 'the arena of companion follower must be a ParameterArena'],
    [{ learningRate: 0 }, 'the learningRate of companion follower must be a factor above 0, received 0'],
    [{ optimizer: { beta1: 2 } }, 'optimizer of companion follower:\n  beta1: expected number to be <1'],
    [{ optimiser: {} } as never, 'each of task.companions.optimiser is unknown'],
  ])('names what is wrong with a companion: %o', (companion, message) => {
    using made = toy({ companion })
    expect(() => new TaskTrainer(made.task, settings())).toThrow(message)
  })

  it("refuses the model's arena, and that of another companion", () => {
    using made = toy()
    const [companion] = made.task.companions!
    const withCompanions = (companions: readonly Companion[]) => () =>
      new TaskTrainer({ ...made.task, companions }, settings())
    expect(withCompanions([{ ...companion!, arena: made.task.arena }])).toThrow('an arena of its own')
    expect(withCompanions([companion!, { ...companion!, name: 'b' }])).toThrow('an arena of its own')
    expect(withCompanions([companion!, companion!])).toThrow('letters and digits, and its own')
  })

  it('names a loss of no companion, and what of a loss is no tensor', async () => {
    using made = toy()
    const { task } = made
    const losing = (more: object) => ({
      ...task,
      loss: (batch: Examples) => ({ ...task.loss(batch), ...more }),
    })
    for (const [more, message] of [
      [
        { companions: { folower: zeros([1]) } },
        'companions.folower: the task has no such companion; did you',
      ],
      [{ companions: { follower: 1 } }, 'companions.follower must be a tensor, received 1'],
      [{ observed: { count: 1 } }, 'observed.count must be a tensor, received 1'],
    ] as const) {
      using trainer = new TaskTrainer(losing(more), settings())
      await expect(trainer.run()).rejects.toThrow(`TrainingTask.loss: ${message}`)
    }
  })

  it('is refused while another trainer trains the companion, and once that is freed', async () => {
    using made = toy()
    using other = toy()
    using trainer = new TaskTrainer(made.task, settings())
    using second = new TaskTrainer({ ...other.task, companions: made.task.companions! }, settings())
    const running = trainer.run()
    await expect(second.run()).rejects.toThrow('another trainer is training this model')
    await running
    made.follower.arena[Symbol.dispose]()
    await expect(trainer.run()).rejects.toThrow('follower, which is trained with the model, was disposed')
  })
})
